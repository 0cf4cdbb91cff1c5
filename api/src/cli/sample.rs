//! `matricule sample`: exports of fictional schools, in the real formats.

use anyhow::Context;
use clap::Args;
use school_files::sample::{SampleSpec, write_samples};
use std::path::PathBuf;

/// Write exports of fictional schools in the real formats, the same each time for the same seed
#[derive(Debug, Args)]
pub struct Sample {
    /// Pupils in all
    #[arg(long, default_value_t = 1_000)]
    pupils: u64,
    /// The same seed gives the same people
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write: one directory for each school
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
    /// Collèges and lycées (SIECLE); without it, schools of about 400 pupils, half of them écoles
    #[arg(long, value_name = "NUMBER")]
    secondary: Option<u32>,
    /// Écoles (ONDE)
    #[arg(long, value_name = "NUMBER")]
    primary: Option<u32>,
    /// Share of records that are wrong on purpose, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    errors: f64,
    /// Year in which the school year begins
    #[arg(long)]
    year: Option<u16>,
    /// Which export of the same people: 0 the first; later ones show transfers, corrections and new numbers
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    generation: u32,
}

impl Sample {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let spec = self.spec();
        let written = write_samples(&spec, &self.out)
            .with_context(|| format!("the sample can't be written to {}", self.out.display()))?;
        println!(
            "{} schools, {} pupils and {} guardians in {} files ({} records wrong on purpose)",
            written.schools,
            written.pupils,
            written.guardians,
            written.files.len(),
            written.wrong
        );
        for file in written.files {
            println!("{}", file.display());
        }
        Ok(())
    }

    fn spec(&self) -> SampleSpec {
        let mut spec = SampleSpec::new(self.seed, self.pupils);
        spec.secondary_schools = self.secondary.unwrap_or(spec.secondary_schools);
        spec.primary_schools = self.primary.unwrap_or(spec.primary_schools);
        spec.year = self.year.unwrap_or(spec.year);
        spec.error_rate = self.errors;
        for _ in 0..self.generation {
            spec = spec.later();
        }
        spec
    }
}

//! Writes the inputs that fuzzing starts from: every event, small exports of fictional schools, a
//! checkpoint, requests and tokens of relying parties.

use ledger::checkpoint::{Checkpoint, SigningKey};
use school_files::sample::{SampleSpec, write_samples};
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, _) in fuzzed::TARGETS {
        fs::create_dir_all(corpus.join(name))?;
    }
    for (number, event) in domain::samples::every_event().into_iter().enumerate() {
        let kinds = ["pupil", "guardian", "account", "establishment", "relying_party"];
        let kind = kinds.iter().position(|kind| *kind == event.stream_type()).unwrap_or(kinds.len());
        let input = [&[u8::try_from(kind)?], event.payload()?.as_bytes()].concat();
        fs::write(corpus.join(format!("event/seed-{number:02}")), input)?;
    }
    let samples = tempfile::tempdir()?;
    let mut spec = SampleSpec::new(3, 8);
    spec.error_rate = 0.2;
    for file in write_samples(&spec, samples.path())?.files.chunks(2) {
        let [first, second] = file else { continue };
        let pair = fuzzed::pair(&fs::read(first)?, &fs::read(second)?);
        let target = if first.extension().is_some_and(|extension| extension == "csv") { "onde" } else { "siecle" };
        fs::write(corpus.join(target).join("seed-sample"), pair)?;
    }
    let key = SigningKey::from_seed(&[7; 32]).ok_or("any 32 bytes are a seed")?;
    let origin = "ledger.example.org/fuzzed";
    let checkpoint = Checkpoint { origin: origin.to_owned(), size: 2_026, root: [9; 32] };
    let signed = checkpoint.sign(&key).ok_or("the origin is fit for a name")?;
    let proof = format!("c2sp.org/tlog-proof@v1\nindex 7\n{}\n\n{}", "B".repeat(43) + "=", signed.text());
    for (name, kind, text) in [
        ("seed-note", 0, signed.text()),
        ("seed-key", 3, &key.verifier(origin).to_string()),
        ("seed-proof", 4, &proof),
        ("seed-tile", 4, "tile/0/x001/234.p/56"),
        ("seed-changed", 1, "\u{1}\u{0}\u{1}\u{2}x"),
        ("seed-signed", 2, "12345678abcdefghijklmnopqrstuvwxyz012345ledger.example.org"),
    ] {
        fs::write(corpus.join("checkpoint").join(name), [&[kind], text.as_bytes()].concat())?;
    }
    use api::oidc::fuzzing::{requests, token_requests, tokens};
    for (target, seeds) in [("authorization", requests()), ("client", token_requests()), ("token", tokens())] {
        for (name, seed) in seeds {
            fs::write(corpus.join(target).join(format!("seed-{name}")), seed)?;
        }
    }
    let texts = "account\u{24}00000000-0000-0000-0000-000000000003\u{d}AccountOpened\u{7}service";
    fs::write(corpus.join("leaf/seed"), ["\u{0}\u{2}{}".to_owned(), "\u{1}".repeat(100), texts.to_owned()].concat())?;
    Ok(())
}

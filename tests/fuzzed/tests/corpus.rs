//! Replays the corpus: everything that fuzzing has found interesting, or broken, holds on a stable compiler too.

use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn every_input_of_the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in fuzzed::TARGETS {
        let inputs = std::fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("corpus of {name}: {error}"));
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| target(&data)).is_err() {
                panic!("{name} fails on {}", path.display());
            }
            count += 1;
        }
        assert!(count > 0, "{name} has a corpus");
    }
}

/// Else nothing near them would be found out.
#[test]
fn good_tokens_are_taken_for_what_they_are_and_nothing_else() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/token");
    for kind in ["id-token", "access-token", "assertion", "proof"] {
        let token = std::fs::read_to_string(corpus.join(format!("seed-{kind}"))).unwrap();
        assert_eq!(api::oidc::fuzzing::taken_for(&token), [kind]);
    }
    for other in ["logout-token", "proof-without-key"] {
        let token = std::fs::read_to_string(corpus.join(format!("seed-{other}"))).unwrap();
        assert!(api::oidc::fuzzing::taken_for(&token).is_empty(), "{other}");
    }
}

/// Without a guide to new code, but on any compiler: inputs of the corpus with bytes changed, cut, doubled and mixed.
/// `FUZZED_SECONDS` sets how long for each target, `FUZZED_SEED` where it starts.
#[test]
fn what_is_near_the_corpus_holds() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = Duration::from_secs(number("FUZZED_SECONDS").unwrap_or(2));
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in fuzzed::TARGETS {
        let mut paths: Vec<_> =
            std::fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let inputs: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let mut random = Random(number("FUZZED_SEED").unwrap_or(1));
        let (began, mut runs) = (Instant::now(), 0_u64);
        while began.elapsed() < seconds {
            let mut input = inputs[random.below(inputs.len())].clone();
            for _ in 0..=random.below(6) {
                mutate(&mut input, &inputs[random.below(inputs.len())], &mut random);
            }
            if std::panic::catch_unwind(|| target(&input)).is_err() {
                let kept = std::env::temp_dir().join(format!("{name}-{:016x}", random.0));
                std::fs::write(&kept, &input).unwrap();
                panic!("{name} fails after {runs} runs on {}", kept.display());
            }
            runs += 1;
        }
        println!("{name}: {runs} inputs near the corpus");
        assert!(runs > 0);
    }
}

fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let length = (1 + random.below(16)).min(input.len() - at);
    match random.below(7) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = [0, 0xff, b'"', b'<', b'>', b'\n', b';', b'0'][random.below(8)],
        2 => input.insert(at, random.below(256) as u8),
        3 => drop(input.drain(at..at + length)),
        4 => {
            let part = input[at..at + length].to_vec();
            input.splice(at..at, part);
        }
        5 => {
            let from = random.below(other.len() + 1);
            let to = (from + 1 + random.below(32)).min(other.len());
            input.splice(at..at, other[from..to].iter().copied());
        }
        _ => input.truncate(at),
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}

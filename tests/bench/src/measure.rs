//! Clients in loops, medians, percentiles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Runs `clients` loops for a while, each with a state of its own, and returns the turns per second.
pub async fn load<S, F, Fut>(clients: u64, time: Duration, start: impl Fn(u64) -> S, turn: F) -> anyhow::Result<f64>
where
    S: Send + 'static,
    F: Fn(S) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = anyhow::Result<S>> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let (turn, done, mut state) = (turn.clone(), done.clone(), start(client));
            tokio::spawn(async move {
                while began.elapsed() < time {
                    state = turn(state).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

/// The value below which this share of the values lies; 0 of none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The middle value; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// Two decimals: more would pretend.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

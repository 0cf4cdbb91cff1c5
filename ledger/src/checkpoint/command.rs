//! Programs that an operator configures: started without a shell, given a text, read up to a limit, never waited for
//! longer than half a minute.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Longest run.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer, in bytes.
const LONGEST: u64 = 1 << 20;

/// Runs `program` with its arguments and one more, writes `input` to it and gives what it printed. What it says on
/// its error output goes where the service's own goes.
///
/// # Errors
/// Why it failed, without anything of its input or output: it may be a key.
pub(super) async fn run(program: &[String], argument: Option<&str>, input: &str) -> Result<String, String> {
    let (name, arguments) = program.split_first().ok_or("no program is named")?;
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let mut child = tokio::process::Command::new(name)
        .args(arguments)
        .args(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let talk = async {
        let write = async {
            if let Some(mut stdin) = stdin {
                // A program that does not read its input may close it; what counts is how it ends.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let read = async {
            let mut output = String::new();
            if let Some(stdout) = stdout {
                stdout.take(LONGEST).read_to_string(&mut output).await.map_err(failed)?;
            }
            Ok::<_, String>(output)
        };
        let ((), output) = tokio::join!(write, read);
        Ok::<_, String>((output?, child.wait().await.map_err(failed)?))
    };
    let ended = tokio::time::timeout(PATIENCE, talk).await;
    let (output, status) = ended.map_err(|_| format!("{name}: no end after {} seconds", PATIENCE.as_secs()))??;
    if status.success() { Ok(output) } else { Err(format!("{name}: {status}")) }
}

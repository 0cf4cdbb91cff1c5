//! The load tool's client: HTTP/1.1 over one kept connection, no more than it takes. The same for whatever is
//! measured, and light, so that the server's share of the machine is what shows.

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A kept connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
pub struct Answer {
    /// Its status.
    pub status: u16,
    head: String,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The values of a header, by its name in lower case.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head.lines().filter_map(move |line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The JSON of the body, if all went well.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        ensure!(self.status == 200, "{}: {}", self.status, self.body);
        Ok(serde_json::from_str(&self.body)?)
    }
}

/// A GET, ready to be sent. `headers` are whole lines.
pub fn get(host: &str, path: &str, headers: &[String]) -> Vec<u8> {
    let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").into_bytes()
}

/// A form, ready to be sent.
pub fn post(host: &str, path: &str, headers: &[String], body: &str) -> Vec<u8> {
    let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{kind}\r\nContent-Length: {length}\r\n{more}\r\n{body}")
        .into_bytes()
}

impl Connection {
    /// Opens one to `host:port`.
    pub async fn open(host: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await.with_context(|| format!("no connection to {host}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 << 10) })
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head_end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
        let answer = Answer { status, head, body: String::new() };
        let length = answer.headers("content-length").next().and_then(|length| length.parse::<usize>().ok());
        let chunked = answer.headers("transfer-encoding").next() == Some("chunked");
        let body = match length {
            Some(length) => {
                while self.buffer.len() < head_end + length {
                    self.more().await?;
                }
                self.buffer[head_end..head_end + length].to_vec()
            }
            None if chunked => self.chunks(head_end).await?,
            None => Vec::new(),
        };
        Ok(Answer { body: String::from_utf8(body)?, ..answer })
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the connection was closed");
        }
        Ok(())
    }

    async fn chunks(&mut self, mut at: usize) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = self.buffer[at..].windows(2).position(|two| two == b"\r\n") {
                    break end;
                }
                self.more().await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[at..at + line])?.trim(), 16)?;
            let start = at + line + 2;
            while self.buffer.len() < start + size + 2 {
                self.more().await?;
            }
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&self.buffer[start..start + size]);
            at = start + size + 2;
        }
    }
}

//! From the bytes of a file to UTF-8, refusing what its encoding does not define, and counting
//! lines on the way.

use std::io::{self, BufRead, Read};

use crate::error::FileReason;
use crate::source::{Fault, Limits, SourceReader};

const BLOCK: usize = 64 << 10;

/// The encodings exports come in.
///
/// The ISO encodings are taken at their word: bytes 0x80 to 0x9F are refused though decoders
/// usually let them pass as control characters, because they betray a file in windows-1252 or
/// UTF-8 whose names would be silently damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Iso885915,
    Iso88591,
    Windows1252,
    Utf8,
}

impl Encoding {
    pub(crate) fn from_label(label: &str) -> Option<Self> {
        Some(match label.to_ascii_lowercase().replace('_', "-").as_str() {
            "iso-8859-15" | "iso8859-15" | "latin-9" | "latin9" => Self::Iso885915,
            "iso-8859-1" | "iso8859-1" | "latin1" | "us-ascii" => Self::Iso88591,
            "windows-1252" | "cp1252" => Self::Windows1252,
            "utf-8" | "utf8" => Self::Utf8,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Iso885915 => "ISO-8859-15",
            Self::Iso88591 => "ISO-8859-1",
            Self::Windows1252 => "windows-1252",
            Self::Utf8 => "UTF-8",
        }
    }

    fn decoder(self) -> encoding_rs::Decoder {
        let encoding = match self {
            Self::Iso885915 => encoding_rs::ISO_8859_15,
            // The same as ISO-8859-1 where that defines anything.
            Self::Iso88591 | Self::Windows1252 => encoding_rs::WINDOWS_1252,
            Self::Utf8 => encoding_rs::UTF_8,
        };
        encoding.new_decoder_without_bom_handling()
    }

    /// Position of the first byte that the encoding does not define or that no text holds.
    fn first_invalid(self, bytes: &[u8]) -> Option<usize> {
        // Without early exit, so that the compiler vectorises it; the exact place is sought after.
        let suspect = match self {
            Self::Iso885915 | Self::Iso88591 => bytes.iter().fold(false, |bad, byte| bad | control(*byte) | c1(*byte)),
            Self::Windows1252 => bytes.iter().fold(false, |bad, byte| bad | control(*byte) | undefined_1252(*byte)),
            Self::Utf8 => bytes.iter().fold(false, |bad, byte| bad | control(*byte)),
        };
        if !suspect {
            return None;
        }
        bytes.iter().position(|byte| {
            control(*byte)
                || match self {
                    Self::Iso885915 | Self::Iso88591 => c1(*byte),
                    Self::Windows1252 => undefined_1252(*byte),
                    Self::Utf8 => false,
                }
        })
    }
}

fn control(byte: u8) -> bool {
    (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r') | (byte == 0x7f)
}

fn c1(byte: u8) -> bool {
    (0x80..=0x9f).contains(&byte)
}

fn undefined_1252(byte: u8) -> bool {
    matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d)
}

/// A place in a text: line from 1, column in bytes from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl Place {
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    pub(crate) fn pair(self) -> (u64, u64) {
        (self.line, self.column)
    }

    fn advance(&mut self, bytes: &[u8]) {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        if lines == 0 {
            self.column += bytes.len() as u64;
        } else {
            self.line += lines as u64;
            let after = bytes.iter().rev().take_while(|byte| **byte != b'\n').count();
            self.column = after as u64 + 1;
        }
    }
}

/// Reads a file as UTF-8. `place` follows what was *consumed*, so it is exact for any parser that
/// consumes just what it has understood.
pub(crate) struct TextReader {
    source: SourceReader,
    encoding: Encoding,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    raw_at: Place,
    text: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    place: Place,
    budget: u64,
    limits: Limits,
}

impl TextReader {
    /// A reader that continues after `head`, bytes already taken from the source; what precedes
    /// `head[skip..]` was understood by the caller and is only counted.
    pub(crate) fn new(source: SourceReader, encoding: Encoding, head: Vec<u8>, skip: usize, limits: Limits) -> Self {
        let mut place = Place::START;
        place.advance(&head[..skip]);
        Self {
            source,
            encoding,
            decoder: encoding.decoder(),
            raw: head[skip..].to_vec(),
            raw_at: place,
            text: vec![0; BLOCK * 3 + 16],
            start: 0,
            end: 0,
            ended: false,
            place,
            budget: limits.element,
            limits,
        }
    }

    /// Where the next byte to be consumed stands.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Begins a new element or line, whose length is limited.
    pub(crate) fn new_element(&mut self) {
        self.budget = self.limits.element;
    }

    /// Decodes the next block.
    fn refill(&mut self) -> io::Result<()> {
        while self.start == self.end && !self.ended {
            if self.raw.is_empty() {
                self.raw.resize(BLOCK, 0);
                let count = loop {
                    match self.source.read(&mut self.raw) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        other => break other?,
                    }
                };
                self.raw.truncate(count);
                self.ended = count == 0;
            }
            self.decode()?;
        }
        Ok(())
    }

    fn decode(&mut self) -> io::Result<()> {
        if let Some(position) = self.encoding.first_invalid(&self.raw) {
            return Err(self.invalid_byte(position));
        }
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(&self.raw, &mut self.text, self.ended);
        (self.start, self.end) = (0, written);
        match result {
            encoding_rs::DecoderResult::InputEmpty => {
                self.raw_at.advance(&self.raw);
                self.raw.clear();
                Ok(())
            }
            encoding_rs::DecoderResult::OutputFull => {
                self.raw_at.advance(&self.raw[..read]);
                self.raw.drain(..read);
                Ok(())
            }
            encoding_rs::DecoderResult::Malformed(length, after) => {
                Err(self.invalid_byte(read.saturating_sub(usize::from(length + after))))
            }
        }
    }

    fn invalid_byte(&mut self, position: usize) -> io::Error {
        self.raw_at.advance(&self.raw[..position]);
        let byte = self.raw.get(position).copied().unwrap_or_default();
        let reason = FileReason::InvalidByte { byte, encoding: self.encoding.name() };
        Fault { position: Some(self.raw_at.pair()), reason }.into_io()
    }
}

impl BufRead for TextReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.refill()?;
        }
        if self.budget == 0 {
            let reason = FileReason::TooLong(self.limits.element);
            return Err(Fault { position: Some(self.place.pair()), reason }.into_io());
        }
        Ok(&self.text[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        let consumed = &self.text[self.start..self.start + count];
        self.place.advance(consumed);
        self.budget = self.budget.saturating_sub(count as u64);
        self.start += count;
    }
}

impl Read for TextReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// Reads up to `wanted` bytes, fewer at the end of the file.
pub(crate) fn read_head(source: &mut SourceReader, wanted: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(wanted);
    source.by_ref().take(wanted as u64).read_to_end(&mut head)?;
    Ok(head)
}

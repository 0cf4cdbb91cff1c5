//! A pull reader over exports in XML: flat records, strict well-formedness, no DTD, no entities
//! but the predefined ones, bounded memory.

use std::path::{Path, PathBuf};

use quick_xml::XmlVersion;
use quick_xml::errors::Error as XmlError;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use crate::error::{FileError, FileReason};
use crate::source::{Source, refusal};
use crate::text::{Encoding, Place, TextReader, read_head};

/// Deepest nesting of elements accepted; real exports have eight levels.
const MAX_DEPTH: u32 = 64;

/// What [`XmlStream::step`] met. Names and attributes are then read from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A start tag. An empty element is followed by [`Step::Close`].
    Open,
    /// An end tag.
    Close,
    /// A piece of text; a text may come in several.
    Text,
    /// The end of a well-formed document.
    End,
}

pub(crate) struct XmlStream {
    file: PathBuf,
    reader: Reader<TextReader>,
    buffer: Vec<u8>,
    name: String,
    attributes: Vec<(String, String)>,
    attribute_count: usize,
    text: String,
    nesting: Nesting,
    place: Place,
}

/// How deep in the document the last step is.
#[derive(Default)]
struct Nesting {
    depth: u32,
    roots: u32,
}

impl Nesting {
    fn open(&mut self) -> Result<(), &'static str> {
        if self.depth == 0 {
            self.roots += 1;
        }
        if self.roots > 1 || self.depth == MAX_DEPTH {
            return Err("a second root element, or nesting too deep");
        }
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
    }

    /// Text is for elements only.
    fn text(&self) -> Result<(), &'static str> {
        if self.depth == 0 { Err("text outside the root element") } else { Ok(()) }
    }

    fn end(&self) -> Result<(), &'static str> {
        match (self.depth, self.roots) {
            (0, 1) => Ok(()),
            (0, _) => Err("no root element"),
            _ => Err("the file ends inside an element: it is truncated"),
        }
    }
}

impl XmlStream {
    /// Opens a file as XML in its declared encoding.
    pub(crate) fn open(source: &Source) -> Result<Self, FileError> {
        let mut data = source.open()?;
        let head = read_head(&mut data, 1024).map_err(|error| refusal(source.path(), &error))?;
        let (encoding, skip) =
            declaration(&head).map_err(|reason| FileError::at(source.path(), Place::START.pair(), reason))?;
        let text = TextReader::new(data, encoding, head, skip, source.limits());
        let mut reader = Reader::from_reader(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        Ok(Self {
            file: source.path().to_owned(),
            reader,
            buffer: Vec::with_capacity(4096),
            name: String::new(),
            attributes: Vec::new(),
            attribute_count: 0,
            text: String::new(),
            nesting: Nesting::default(),
            place: Place::START,
        })
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Line on which the last step begins.
    pub(crate) fn line(&self) -> u64 {
        self.place.line
    }

    /// Name of the element last opened.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// An attribute of the element last opened.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes[..self.attribute_count].iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A refusal at the last step.
    pub(crate) fn refuse(&self, reason: FileReason) -> FileError {
        FileError::at(&self.file, self.place.pair(), reason)
    }

    /// Reads on.
    pub(crate) fn step(&mut self) -> Result<Step, FileError> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().new_element();
            self.place = self.reader.get_ref().place();
            let refuse = |reason| FileError::at(&self.file, self.place.pair(), reason);
            let ill_formed = |what: &str| refuse(FileReason::Xml(what.into()));
            let event = self.reader.read_event_into(&mut self.buffer);
            match event.map_err(|error| xml_refusal(&self.file, self.place, &error))? {
                Event::Start(tag) => {
                    self.nesting.open().map_err(ill_formed)?;
                    self.name.clear();
                    self.name.push_str(tag.name().as_ref());
                    self.attribute_count =
                        read_attributes(&tag, &mut self.attributes).map_err(|what| refuse(FileReason::Xml(what)))?;
                    return Ok(Step::Open);
                }
                Event::End(_) => {
                    self.nesting.close();
                    return Ok(Step::Close);
                }
                Event::Text(text) if self.nesting.depth == 0 && text.trim().is_empty() => {}
                Event::Text(text) => {
                    self.nesting.text().map_err(ill_formed)?;
                    self.text.clear();
                    self.text.push_str(&text);
                    return Ok(Step::Text);
                }
                Event::CData(text) => {
                    self.nesting.text().map_err(ill_formed)?;
                    self.text.clear();
                    self.text.push_str(&text);
                    return Ok(Step::Text);
                }
                Event::GeneralRef(reference) => {
                    self.nesting.text().map_err(ill_formed)?;
                    self.text.clear();
                    resolve(&reference, &mut self.text).map_err(refuse)?;
                    return Ok(Step::Text);
                }
                Event::DocType(_) => return Err(refuse(FileReason::Doctype)),
                Event::Decl(_) => return Err(ill_formed("an XML declaration after the start")),
                Event::Empty(_) => return Err(ill_formed("an empty element left unexpanded")),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => {
                    return self.nesting.end().map(|()| Step::End).map_err(ill_formed);
                }
            }
        }
    }

    /// Skips the rest of the element last opened.
    pub(crate) fn skip(&mut self) -> Result<(), FileError> {
        let outside = self.nesting.depth - 1;
        while self.nesting.depth > outside {
            self.step()?;
        }
        Ok(())
    }

    /// Reads the children of the record last opened into `fields`, up to its end tag. Elements
    /// nested deeper are read over.
    pub(crate) fn read_fields(&mut self, fields: &mut Fields) -> Result<(), FileError> {
        fields.clear();
        let record = self.nesting.depth;
        let mut current = None;
        while self.nesting.depth >= record {
            match self.step()? {
                Step::Open if self.nesting.depth == record + 1 => {
                    current = fields.open(&self.name);
                }
                Step::Open => {}
                Step::Close if self.nesting.depth == record => current = None,
                Step::Close | Step::End => {}
                Step::Text => {
                    if let Some(index) = current
                        && self.nesting.depth == record + 1
                    {
                        fields.values[index].push_str(&self.text);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The values of a record's wanted children. Absent and empty are the same.
pub(crate) struct Fields {
    names: &'static [&'static str],
    values: Vec<String>,
}

impl Fields {
    pub(crate) fn new(names: &'static [&'static str]) -> Self {
        Self { names, values: vec![String::new(); names.len()] }
    }

    fn clear(&mut self) {
        self.values.iter_mut().for_each(String::clear);
    }

    /// Index of a wanted child; one written twice keeps the last value.
    fn open(&mut self, name: &str) -> Option<usize> {
        let index = self.names.iter().position(|wanted| *wanted == name)?;
        self.values[index].clear();
        Some(index)
    }

    /// The trimmed value of a child, unless absent or empty. `name` must be a wanted one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let index = self.names.iter().position(|wanted| *wanted == name)?;
        let value = self.values[index].trim();
        (!value.is_empty()).then_some(value)
    }
}

/// The encoding a document declares and the length of its declaration.
fn declaration(head: &[u8]) -> Result<(Encoding, usize), FileReason> {
    const BOM: &[u8] = &[0xef, 0xbb, 0xbf];
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err(FileReason::UnknownEncoding("UTF-16".into()));
    }
    let bom = if head.starts_with(BOM) { BOM.len() } else { 0 };
    let rest = &head[bom..];
    if !rest.starts_with(b"<?xml") || !rest.get(5).is_some_and(u8::is_ascii_whitespace) {
        return Ok((Encoding::Utf8, bom));
    }
    let length = rest
        .windows(2)
        .position(|pair| pair == b"?>")
        .ok_or_else(|| FileReason::Xml("the XML declaration is not closed".into()))?;
    let text = String::from_utf8_lossy(&rest[5..length]);
    let encoding = match text.split_once("encoding") {
        None => Encoding::Utf8,
        Some((_, after)) => {
            let after = after.trim_start().strip_prefix('=').unwrap_or(after).trim_start();
            let label = after
                .chars()
                .next()
                .filter(|quote| matches!(quote, '"' | '\''))
                .and_then(|quote| after[1..].split(quote).next())
                .ok_or_else(|| FileReason::Xml("the XML declaration is malformed".into()))?;
            Encoding::from_label(label).ok_or_else(|| {
                let shown: String = label.chars().take(40).collect();
                FileReason::UnknownEncoding(shown)
            })?
        }
    };
    Ok((if bom > 0 { Encoding::Utf8 } else { encoding }, bom + length + 2))
}

/// Reads attributes into reused strings and returns how many there are.
fn read_attributes(tag: &BytesStart<'_>, into: &mut Vec<(String, String)>) -> Result<usize, String> {
    let mut count = 0;
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|_| "an attribute holds an undeclared entity".to_owned())?;
        if into.len() == count {
            into.push(Default::default());
        }
        let (key, text) = &mut into[count];
        key.clear();
        key.push_str(attribute.key.as_ref());
        text.clear();
        text.push_str(&value);
        count += 1;
    }
    Ok(count)
}

/// The text of a character reference or predefined entity.
fn resolve(reference: &BytesRef<'_>, into: &mut String) -> Result<(), FileReason> {
    if reference.is_char_ref() {
        match reference.resolve_char_ref() {
            Ok(Some(character)) if is_xml_char(character) => into.push(character),
            _ => {
                return Err(FileReason::Xml("a reference to a character XML excludes".into()));
            }
        }
    } else {
        into.push_str(resolve_xml_entity(reference).ok_or(FileReason::UndeclaredEntity)?);
    }
    Ok(())
}

/// XML 1.0, production \[2\] Char.
fn is_xml_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

fn xml_refusal(file: &Path, place: Place, error: &XmlError) -> FileError {
    match error {
        XmlError::Io(error) => refusal(file, error),
        other => FileError::at(file, place.pair(), FileReason::Xml(other.to_string())),
    }
}

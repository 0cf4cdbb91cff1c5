//! The report as PDF: blocks of wrapped lines in one embedded font, which has the letters of all European names. What
//! belongs together stays on one page where it fits.

use super::report::{Entry, Report};
use anyhow::Context;
use krilla::Document;
use krilla::color::luma;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use ttf_parser::Face;

/// DejaVu Sans Condensed, see `replay/fonts/LICENSE`.
static REGULAR: &[u8] = include_bytes!("../../fonts/DejaVuSansCondensed.ttf");
static BOLD: &[u8] = include_bytes!("../../fonts/DejaVuSansCondensed-Bold.ttf");

/// A4, points.
const PAPER: (f32, f32) = (595.28, 841.89);
const MARGIN: f32 = 50.0;
/// Where the page number stands, above the paper's edge.
const FOOT: f32 = 28.0;
const WIDTH: f32 = PAPER.0 - 2.0 * MARGIN;
const LEADING: f32 = 1.4;
/// Where values stand beside their labels.
const COLUMN: f32 = 120.0;
/// How far an event's text stands in.
const INDENT: f32 = 12.0;

const TITLE: f32 = 16.0;
const HEADING: f32 = 12.0;
const TEXT: f32 = 9.0;
const SMALL: f32 = 7.5;
/// Black and a gray that is easily read, as luma.
const INK: u8 = 0x16;
const GRAY: u8 = 0x59;

/// One line, laid out.
struct Line {
    text: String,
    /// A label that stands on the same line, at the margin.
    label: String,
    /// From the margin, points.
    x: f32,
    size: f32,
    bold: bool,
    ink: u8,
    /// Space above, points.
    above: f32,
}

/// Lines that stay on one page.
struct Block {
    lines: Vec<Line>,
    /// A heading does not stand alone at the foot of a page.
    with_next: bool,
}

impl Block {
    fn height(&self) -> f32 {
        self.lines.iter().map(Line::height).sum()
    }
}

impl Line {
    fn height(&self) -> f32 {
        self.above + self.size * LEADING
    }
}

/// Lays the report out.
pub(super) fn render(report: &Report) -> anyhow::Result<Vec<u8>> {
    let set = Setter { regular: Typeface::new(REGULAR)?, bold: Typeface::new(BOLD)? };
    draw(report, &set.blocks(report), &set)
}

/// The two faces.
struct Setter {
    regular: Typeface,
    bold: Typeface,
}

impl Setter {
    fn face(&self, bold: bool) -> &Typeface {
        if bold { &self.bold } else { &self.regular }
    }

    /// A text over as many lines as it takes.
    fn lines(&self, text: &str, size: f32, bold: bool, ink: u8, x: f32, above: f32) -> Vec<Line> {
        let wrapped = self.face(bold).wrap(text, size, WIDTH - x).into_iter().enumerate();
        let line = |(number, text)| Line {
            text,
            label: String::new(),
            x,
            size,
            bold,
            ink,
            above: if number == 0 { above } else { 0.0 },
        };
        wrapped.map(line).collect()
    }

    fn blocks(&self, report: &Report) -> Vec<Block> {
        let mut top = self.lines(&report.title, TITLE, true, INK, 0.0, 0.0);
        top.extend(self.lines(&report.subject, TEXT, false, GRAY, 0.0, 2.0));
        let mut blocks = vec![Block { lines: top, with_next: true }];
        for (number, (label, value)) in report.facts.iter().enumerate() {
            let above = if number == 0 { 12.0 } else { 2.0 };
            let mut lines = self.lines(value, TEXT, false, INK, COLUMN, above);
            if let Some(first) = lines.first_mut() {
                first.label.clone_from(label);
            }
            blocks.push(Block { lines, with_next: false });
        }
        for section in &report.sections {
            let lines = self.lines(&section.heading, HEADING, true, INK, 0.0, 18.0);
            blocks.push(Block { lines, with_next: true });
            blocks.extend(section.entries.iter().map(|entry| self.entry(entry)));
        }
        blocks
    }

    fn entry(&self, Entry { head, lines, proof }: &Entry) -> Block {
        let mut set = self.lines(head, TEXT, true, INK, 0.0, 6.0);
        let (x, mut above) = if head.is_empty() { (0.0, 6.0) } else { (INDENT, 0.0) };
        if head.is_empty() {
            set.clear();
        }
        for line in lines {
            set.extend(self.lines(line, TEXT, false, INK, x, above));
            above = 0.0;
        }
        for line in proof {
            set.extend(self.lines(line, SMALL, false, GRAY, x, 0.0));
        }
        Block { lines: set, with_next: false }
    }
}

fn draw(report: &Report, blocks: &[Block], set: &Setter) -> anyhow::Result<Vec<u8>> {
    let mut document = Document::new();
    let metadata = Metadata::new().title(report.title.clone()).language(report.code.to_owned());
    document.set_metadata(metadata);
    let pages = pages(blocks);
    for (number, lines) in pages.iter().enumerate() {
        let settings = PageSettings::from_wh(PAPER.0, PAPER.1).context("A4 is a size of paper")?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        let mut y = MARGIN;
        for (at, line) in lines.iter().enumerate() {
            // At the head of a page there is nothing to stand apart from.
            y += line.height() - if at == 0 { line.above } else { 0.0 };
            write(&mut surface, set.face(line.bold), line.size, line.ink, (MARGIN + line.x, y), &line.text);
            write(&mut surface, &set.bold, line.size, INK, (MARGIN, y), &line.label);
        }
        let face = &set.regular;
        let folio = format!("{} {} / {}", report.page, number + 1, pages.len());
        let foot = PAPER.1 - FOOT;
        let right = PAPER.0 - MARGIN - face.width(&folio, SMALL);
        write(&mut surface, face, SMALL, GRAY, (right, foot), &folio);
        let running = face.wrap(&report.subject, SMALL, WIDTH * 0.8);
        write(&mut surface, face, SMALL, GRAY, (MARGIN, foot), running.first().map_or("", String::as_str));
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| anyhow::anyhow!("the PDF report can't be made: {error:?}"))
}

fn write(surface: &mut Surface<'_>, face: &Typeface, size: f32, ink: u8, (x, y): (f32, f32), text: &str) {
    if !text.is_empty() {
        surface.set_fill(Some(Fill { paint: luma::Color::new(ink).into(), ..Fill::default() }));
        surface.draw_text(Point::from_xy(x, y), face.font.clone(), size, text, false, TextDirection::LeftToRight);
    }
}

/// As many blocks on each page as fit; one that is longer than a page is broken.
fn pages(blocks: &[Block]) -> Vec<Vec<&Line>> {
    let room = PAPER.1 - 2.0 * MARGIN;
    let (mut pages, mut left) = (vec![Vec::new()], room);
    for (number, block) in blocks.iter().enumerate() {
        let next = blocks.get(number + 1).filter(|_| block.with_next).map_or(0.0, Block::height);
        let together = block.height() + next;
        let broken = block.height() > room;
        if together > left && left < room && !broken {
            pages.push(Vec::new());
            left = room;
        }
        for line in &block.lines {
            if line.height() > left {
                pages.push(Vec::new());
                left = room;
            }
            left -= line.height();
            if let Some(page) = pages.last_mut() {
                page.push(line);
            }
        }
    }
    pages
}

/// A font with the widths of its letters.
struct Typeface {
    font: Font,
    face: Face<'static>,
}

impl Typeface {
    fn new(bytes: &'static [u8]) -> anyhow::Result<Self> {
        let font = Font::new(bytes.to_vec().into(), 0).context("the embedded font is one")?;
        Ok(Self { font, face: Face::parse(bytes, 0).context("the embedded font is one")? })
    }

    fn width(&self, text: &str, size: f32) -> f32 {
        let advance = |letter| {
            let glyph = self.face.glyph_index(letter).unwrap_or_default();
            f32::from(self.face.glyph_hor_advance(glyph).unwrap_or_default())
        };
        text.chars().map(advance).sum::<f32>() * size / f32::from(self.face.units_per_em())
    }

    /// Breaks at spaces, and within words that are longer than a line.
    fn wrap(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let last = lines.last_mut().expect("there is always a last line");
            let spaced = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
            if self.width(&spaced, size) <= width {
                *last = spaced;
                continue;
            }
            let mut rest = String::new();
            for letter in word.chars() {
                rest.push(letter);
                if self.width(&rest, size) > width {
                    rest.pop();
                    lines.push(std::mem::replace(&mut rest, letter.to_string()));
                }
            }
            lines.push(rest);
        }
        if lines.len() > 1 && lines[0].is_empty() {
            lines.remove(0);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_lost() {
        let face = Typeface::new(REGULAR).unwrap();
        let text = format!("{} {} Élodie Ţepeş ŁUKASZ", "mot ".repeat(60).trim_end(), "f".repeat(400));
        for width in [WIDTH, WIDTH - COLUMN] {
            let lines = face.wrap(&text, TEXT, width);
            assert!(lines.len() > 4);
            assert!(lines.iter().all(|line| face.width(line, TEXT) <= width));
            let (mut before, mut after) = (text.clone(), lines.concat());
            before.retain(|letter| letter != ' ');
            after.retain(|letter| letter != ' ');
            assert_eq!(before, after);
        }
        assert!("ÀÂÇÉÈÊËÎÏÔŒÙÛÜŸàâçéèêëîïôœùûüÿ«»’–…→ŁţğñÐ".chars().all(|c| face.face.glyph_index(c).is_some()));
    }

    #[test]
    fn what_belongs_together_stays_on_one_page_and_no_page_overflows() {
        let set = Setter { regular: Typeface::new(REGULAR).unwrap(), bold: Typeface::new(BOLD).unwrap() };
        let block = |lines: usize, with_next| Block {
            lines: (0..lines).flat_map(|_| set.lines("mot", TEXT, false, INK, 0.0, 2.0)).collect(),
            with_next,
        };
        let blocks: Vec<Block> = (0..40).map(|n| block(1 + n % 7 * 3, n % 7 == 0)).chain([block(200, false)]).collect();
        let pages = pages(&blocks);
        let of: Vec<usize> = pages.iter().map(Vec::len).collect();
        assert_eq!(of.iter().sum::<usize>(), blocks.iter().map(|block| block.lines.len()).sum::<usize>());
        for page in &pages {
            assert!(page.iter().map(|line| line.height()).sum::<f32>() <= PAPER.1 - 2.0 * MARGIN);
        }
        let page_of = |line: &Line| pages.iter().position(|page| page.iter().any(|other| std::ptr::eq(*other, line)));
        for (at, block) in blocks.iter().enumerate().take(40) {
            let (first, last) = (&block.lines[0], &block.lines[block.lines.len() - 1]);
            assert_eq!(page_of(first), page_of(last));
            if block.with_next {
                assert_eq!(page_of(last), page_of(&blocks[at + 1].lines[0]));
            }
        }
    }
}

//! The report as PDF: pages of wrapped lines in one embedded font, which has the letters of all European names.

use super::report::Report;
use anyhow::Context;
use krilla::Document;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::text::{Font, TextDirection};
use ttf_parser::Face;

/// DejaVu Sans Condensed, see `replay/fonts/LICENSE`.
static REGULAR: &[u8] = include_bytes!("../../fonts/DejaVuSansCondensed.ttf");
static BOLD: &[u8] = include_bytes!("../../fonts/DejaVuSansCondensed-Bold.ttf");

/// A4, points.
const PAPER: (f32, f32) = (595.28, 841.89);
const MARGIN: f32 = 50.0;
const WIDTH: f32 = PAPER.0 - 2.0 * MARGIN;
const LEADING: f32 = 1.4;

const TITLE: f32 = 14.0;
const HEADING: f32 = 12.0;
const TEXT: f32 = 9.0;

/// One line, laid out.
struct Line {
    text: String,
    size: f32,
    bold: bool,
    /// Space above, points.
    above: f32,
}

/// Lays the report out.
pub(super) fn render(report: &Report) -> anyhow::Result<Vec<u8>> {
    let regular = Typeface::new(REGULAR)?;
    let bold = Typeface::new(BOLD)?;
    let mut lines = Vec::new();
    let mut put = |text: &str, size: f32, strong: bool, above: f32| {
        let face = if strong { &bold } else { &regular };
        for (number, text) in face.wrap(text, size).into_iter().enumerate() {
            lines.push(Line { text, size, bold: strong, above: if number == 0 { above } else { 0.0 } });
        }
    };
    put(&report.title, TITLE, true, 0.0);
    for (label, value) in &report.facts {
        put(&format!("{label} : {value}"), TEXT, false, 2.0);
    }
    for section in &report.sections {
        put(&section.heading, HEADING, true, 14.0);
        for paragraph in &section.paragraphs {
            for (number, line) in paragraph.iter().enumerate() {
                put(line, TEXT, false, if number == 0 { 6.0 } else { 0.0 });
            }
        }
    }
    draw(report, &lines, &regular, &bold)
}

fn draw(report: &Report, lines: &[Line], regular: &Typeface, bold: &Typeface) -> anyhow::Result<Vec<u8>> {
    let mut document = Document::new();
    let metadata = Metadata::new().title(report.title.clone()).language(report.code.to_owned());
    document.set_metadata(metadata);
    let pages = pages(lines);
    for (number, page_lines) in pages.iter().enumerate() {
        let settings = PageSettings::from_wh(PAPER.0, PAPER.1).context("A4 is a size of paper")?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        let mut y = MARGIN;
        for line in *page_lines {
            y += line.above + line.size * LEADING;
            let font = if line.bold { &bold.font } else { &regular.font };
            let at = Point::from_xy(MARGIN, y);
            surface.draw_text(at, font.clone(), line.size, &line.text, false, TextDirection::LeftToRight);
        }
        let folio = format!("{} / {}", number + 1, pages.len());
        let at = Point::from_xy(PAPER.0 - MARGIN - regular.width(&folio, TEXT), PAPER.1 - MARGIN / 2.0);
        surface.draw_text(at, regular.font.clone(), TEXT, &folio, false, TextDirection::LeftToRight);
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| anyhow::anyhow!("the PDF report can't be made: {error:?}"))
}

/// As many lines on each page as fit.
fn pages(lines: &[Line]) -> Vec<&[Line]> {
    let (mut pages, mut start, mut y) = (Vec::new(), 0, MARGIN);
    for (number, line) in lines.iter().enumerate() {
        let height = line.above + line.size * LEADING;
        if y + height > PAPER.1 - MARGIN && number > start {
            pages.push(&lines[start..number]);
            (start, y) = (number, MARGIN);
        }
        y += height;
    }
    pages.push(&lines[start..]);
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
    fn wrap(&self, text: &str, size: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let last = lines.last_mut().expect("there is always a last line");
            let spaced = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
            if self.width(&spaced, size) <= WIDTH {
                *last = spaced;
                continue;
            }
            let mut rest = String::new();
            for letter in word.chars() {
                rest.push(letter);
                if self.width(&rest, size) > WIDTH {
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
        let lines = face.wrap(&text, TEXT);
        assert!(lines.len() > 4);
        assert!(lines.iter().all(|line| face.width(line, TEXT) <= WIDTH));
        let (mut before, mut after) = (text, lines.concat());
        before.retain(|letter| letter != ' ');
        after.retain(|letter| letter != ' ');
        assert_eq!(before, after);
    }
}

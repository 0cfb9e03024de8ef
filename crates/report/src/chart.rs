//! Drawing: `plotters` puts marks in placeholder colours, which become classes of the style sheet.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::RelativeSize;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::axis::Axis;
use crate::words;

/// Drawn units for one unit of the page: `plotters` rounds to whole ones, which would show.
const SCALE: i32 = 4;
/// Units of the page; on a phone it is drawn at three quarters of it.
const WIDTH: i32 = 480;
const HEIGHT: i32 = 340;
/// In units of the page.
const FONT: f64 = 13.0;
/// By how much `plotters` shrinks a font in SVG.
const FONT_SHRINK: f64 = 1.24;
/// A mean width of a letter, as a share of the font's size.
const LETTER: f64 = 0.56;

/// What something is drawn with. The style sheet gives each a colour and, where lines meet, a pattern of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Text,
    Axis,
    Grid,
    /// The model.
    Model,
    /// The model, fainter.
    ModelPale,
    /// What it is compared with: the live model, or the other one of two.
    Other,
    /// What chance or perfection would give.
    Reference,
    /// What was chosen.
    Chosen,
}

impl Ink {
    const ALL: [Self; 8] =
        [Self::Text, Self::Axis, Self::Grid, Self::Model, Self::ModelPale, Self::Other, Self::Reference, Self::Chosen];

    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Axis => "axis",
            Self::Grid => "grid",
            Self::Model => "model",
            Self::ModelPale => "model-pale",
            Self::Other => "other",
            Self::Reference => "reference",
            Self::Chosen => "chosen",
        }
    }

    /// A colour that stands for it until [`dress`].
    fn placeholder(self) -> RGBColor {
        RGBColor(1, 2, self as u8)
    }

    fn line(self, width: f64) -> ShapeStyle {
        self.placeholder().stroke_width(pixels(width).unsigned_abs())
    }
}

type Coordinates = Cartesian2d<Axis, Axis>;

/// A chart that is being drawn. Positions are in the numbers of the axes.
pub(crate) struct Plane<'a, 'b> {
    chart: ChartContext<'a, SVGBackend<'b>, Coordinates>,
    x: Axis,
    y: Axis,
}

/// Where the axes of a chart run.
pub(crate) struct Frame {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

/// Draws a chart and returns it as an SVG element without a name; see [`crate::figure::Figure`].
pub(crate) fn draw(frame: Frame, paint: impl FnOnce(&mut Plane<'_, '_>)) -> String {
    let Frame { x, y } = frame;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(
            &mut svg,
            (pixels(f64::from(WIDTH)).unsigned_abs(), pixels(f64::from(HEIGHT)).unsigned_abs()),
        );
        let root = root.into_drawing_area();
        let mut plane = Plane { chart: axes(&root, &x, &y), x, y };
        paint(&mut plane);
        done(root.present());
    }
    dress(&svg)
}

fn axes<'a, 'b>(
    root: &'a DrawingArea<SVGBackend<'b>, Shift>,
    x: &Axis,
    y: &Axis,
) -> ChartContext<'a, SVGBackend<'b>, Coordinates> {
    let longest = y.ticks.iter().map(|it| it.1.chars().count()).max().unwrap_or(0);
    let left = if y.name.is_empty() { 12.0 } else { 32.0 } + longest as f64 * FONT * LETTER;
    let mut chart = done(
        ChartBuilder::on(root)
            .margin_top(10 * SCALE)
            .margin_left(6 * SCALE)
            .margin_right(18 * SCALE)
            .margin_bottom(4 * SCALE)
            .x_label_area_size(46 * SCALE)
            .y_label_area_size(pixels(left))
            .build_cartesian_2d(x.clone(), y.clone()),
    );
    // Where a text is anchored is the mesh's own choice.
    let text = text(HPos::Left, VPos::Top);
    let mut mesh = chart.configure_mesh();
    mesh.axis_style(Ink::Axis.line(1.0))
        .bold_line_style(Ink::Grid.line(1.0))
        .max_light_lines(0)
        .set_all_tick_mark_size(RelativeSize::Smaller(0.012))
        .label_style(text.clone())
        .axis_desc_style(text);
    mesh.x_desc(&x.name).y_desc(&y.name);
    done(mesh.draw());
    chart
}

impl Plane<'_, '_> {
    fn at(&self, point: (f64, f64)) -> (f64, f64) {
        (self.x.place(point.0), self.y.place(point.1))
    }

    /// A line through points.
    pub(crate) fn line(&mut self, ink: Ink, points: impl IntoIterator<Item = (f64, f64)>) {
        let points: Vec<_> = points.into_iter().map(|it| self.at(it)).collect();
        let width = if ink == Ink::Reference { 1.5 } else { 2.25 };
        done(self.chart.draw_series(LineSeries::new(points, ink.line(width))).map(|_| ()));
    }

    /// A line across the chart at a number of the x axis.
    pub(crate) fn upright(&mut self, ink: Ink, x: f64) {
        let (low, high) = self.y.range;
        let x = self.x.place(x);
        done(self.chart.draw_series(LineSeries::new([(x, low), (x, high)], ink.line(1.5))).map(|_| ()));
    }

    /// A filled area between two corners.
    pub(crate) fn bar(&mut self, ink: Ink, from: (f64, f64), to: (f64, f64)) {
        let corners = [self.at(from), self.at(to)];
        done(self.chart.draw_series([Rectangle::new(corners, ink.placeholder().filled())]).map(|_| ()));
    }

    /// A disc.
    pub(crate) fn disc(&mut self, ink: Ink, point: (f64, f64)) {
        let disc = Circle::new(self.at(point), 5 * SCALE, ink.placeholder().filled());
        done(self.chart.draw_series([disc]).map(|_| ()));
    }

    /// A ring around what lies below it.
    pub(crate) fn ring(&mut self, ink: Ink, point: (f64, f64)) {
        let ring = Circle::new(self.at(point), 7 * SCALE, ink.line(2.5));
        done(self.chart.draw_series([ring]).map(|_| ()));
    }
}

/// Draws horizontal bars, the first one at the top, each with a name to its left and its value behind it.
///
/// `plotters` has no axis of names, so their places are reckoned here.
pub(crate) fn bars(x_name: &str, rows: &[(String, f64, String)]) -> String {
    let layout = Bars::of(x_name, rows);
    let mut svg = String::new();
    {
        let size = (pixels(f64::from(WIDTH)).unsigned_abs(), pixels(layout.bottom + 44.0).unsigned_abs());
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        layout.draw_axis(&root);
        for (index, (name, value, shown)) in rows.iter().enumerate() {
            layout.draw_bar(&root, index, (name, *value, shown));
        }
        let upright = vec![(layout.at(0.0), pixels(2.0)), (layout.at(0.0), pixels(layout.bottom))];
        done(root.draw(&PathElement::new(upright, Ink::Axis.line(1.0))));
        done(root.present());
    }
    dress(&svg)
}

/// Where bars stand, in units of the page.
struct Bars {
    axis: Axis,
    /// Where names end.
    names: f64,
    /// Where the axis begins.
    left: f64,
    /// Where it ends.
    right: f64,
    bottom: f64,
}

impl Bars {
    /// Letters of a name that have room on a phone.
    const NAME_LETTERS: usize = 20;
    /// Names are monospaced digits and capitals more often than prose.
    const NAME_LETTER: f64 = 0.62;
    const ROW: f64 = 20.0;
    const BAR: f64 = 14.0;

    fn of(x_name: &str, rows: &[(String, f64, String)]) -> Self {
        let least = rows.iter().map(|it| it.1).fold(0.0, f64::min);
        let most = rows.iter().map(|it| it.1).fold(0.0, f64::max);
        let letters = |of: &dyn Fn(&(String, f64, String)) -> usize| rows.iter().map(of).max().unwrap_or(0) as f64;
        let names = letters(&|it| it.0.chars().count().min(Self::NAME_LETTERS)) * FONT * Self::NAME_LETTER + 8.0;
        let values = letters(&|it| it.2.chars().count()) * FONT * LETTER + 8.0;
        Self {
            axis: Axis::linear(x_name, least, if most > least { most } else { least + 1.0 }),
            names,
            left: names + 8.0 + if least < 0.0 { values } else { 0.0 },
            right: f64::from(WIDTH) - 8.0 - values,
            bottom: Self::ROW * rows.len() as f64 + 6.0,
        }
    }

    fn at(&self, value: f64) -> i32 {
        let (low, high) = self.axis.range;
        pixels(self.left + (value - low) / (high - low) * (self.right - self.left))
    }

    fn draw_axis(&self, root: &DrawingArea<SVGBackend<'_>, Shift>) {
        for (place, label) in &self.axis.ticks {
            let x = self.at(*place);
            let line = vec![(x, pixels(2.0)), (x, pixels(self.bottom))];
            done(root.draw(&PathElement::new(line, Ink::Grid.line(1.0))));
            done(root.draw(&Text::new(label.clone(), (x, pixels(self.bottom + 6.0)), text(HPos::Center, VPos::Top))));
        }
        let middle = (pixels(f64::midpoint(self.left, self.right)), pixels(self.bottom + 40.0));
        done(root.draw(&Text::new(self.axis.name.clone(), middle, text(HPos::Center, VPos::Bottom))));
    }

    fn draw_bar(
        &self,
        root: &DrawingArea<SVGBackend<'_>, Shift>,
        index: usize,
        (name, value, shown): (&str, f64, &str),
    ) {
        let top = Self::ROW * index as f64 + 5.0;
        let centre = pixels(top + Self::BAR / 2.0);
        let ink = if value < 0.0 { Ink::Other } else { Ink::Model };
        let corners = [(self.at(0.0), pixels(top)), (self.at(value), pixels(top + Self::BAR))];
        done(root.draw(&Rectangle::new(corners, ink.placeholder().filled())));
        let name = words::short(name, Self::NAME_LETTERS);
        done(root.draw(&Text::new(name, (pixels(self.names), centre), text(HPos::Right, VPos::Center))));
        let (side, gap) = if value < 0.0 { (HPos::Right, -5.0) } else { (HPos::Left, 5.0) };
        let end = (self.at(value) + pixels(gap), centre);
        done(root.draw(&Text::new(shown.to_owned(), end, text(side, VPos::Center))));
    }
}

fn text(horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    let font = ("sans-serif", FONT * FONT_SHRINK * f64::from(SCALE)).into_font();
    font.color(&Ink::Text.placeholder()).pos(Pos::new(horizontal, vertical))
}

/// Units of the page to units of the drawing.
fn pixels(units: f64) -> i32 {
    (units * f64::from(SCALE)).round() as i32
}

/// Puts classes in the place of colours, and lets the page decide on the size.
fn dress(svg: &str) -> String {
    let mut svg = svg.to_owned();
    for ink in Ink::ALL {
        let RGBColor(red, green, blue) = ink.placeholder();
        let mut colour = String::new();
        let _ = write!(colour, "#{red:02X}{green:02X}{blue:02X}");
        for how in ["fill", "stroke"] {
            svg = svg.replace(&format!(" {how}=\"{colour}\""), &format!(" class=\"{how} {}\"", ink.class()));
        }
    }
    // The page's own: it needs neither a size nor, within HTML, a namespace.
    let (_, svg) = svg.split_once("viewBox=").unwrap_or_default();
    let svg = svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
    format!("<svg viewBox={}", svg.trim_end().replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", ""))
}

/// Drawing writes into memory, and every axis has a length.
#[expect(clippy::expect_used, reason = "no input reaches an error here: there is no file, no font and no empty axis")]
fn done<T, E: std::error::Error + Send + Sync>(result: Result<T, DrawingAreaErrorKind<E>>) -> T {
    result.expect("drawing into memory does not fail")
}

//! A chart with its title, its words and its legend.

use maud::{Markup, PreEscaped, html};

use crate::chart::Ink;

/// Everything that stands around a chart.
pub(crate) struct Figure {
    /// Names it within the page.
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// What it shows, for people who see it and for those who do not.
    pub(crate) words: String,
    pub(crate) legend: Vec<(Mark, String)>,
    pub(crate) svg: String,
    /// Numbers that belong to it.
    pub(crate) table: Option<Markup>,
}

/// What an entry of a legend looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    Line(Ink),
    Bar(Ink),
    Disc(Ink),
    Ring(Ink),
}

impl Figure {
    /// Writes it; the chart is an image whose name is the title and whose description is the words.
    pub(crate) fn markup(&self) -> Markup {
        let (title, words) = (format!("{}-title", self.id), format!("{}-words", self.id));
        let (tag, rest) = self.svg.split_once('>').unwrap_or((&self.svg, ""));
        html! {
            figure id=(self.id) {
                figcaption {
                    h3 id=(title) { (self.title) }
                    p id=(words) { (self.words) }
                }
                (PreEscaped(format!("{tag} role=\"img\" aria-labelledby=\"{title}\" aria-describedby=\"{words}\">")))
                title { (self.title) }
                (PreEscaped(rest))
                @if !self.legend.is_empty() {
                    ul.legend {
                        @for (mark, name) in &self.legend { li { (sample(*mark)) " " (name) } }
                    }
                }
                @if let Some(table) = &self.table { (table) }
            }
        }
    }
}

fn sample(mark: Mark) -> Markup {
    let shape = match mark {
        Mark::Line(ink) => {
            html! { path class={ "stroke " (ink.class()) } d="M0 6H34" stroke-width="2.25" fill="none" {} }
        }
        Mark::Bar(ink) => html! { rect class={ "fill " (ink.class()) } x="11" y="0" width="12" height="12" {} },
        Mark::Disc(ink) => html! { circle class={ "fill " (ink.class()) } cx="17" cy="6" r="5" {} },
        Mark::Ring(ink) => {
            html! { circle class={ "stroke " (ink.class()) } cx="17" cy="6" r="4.5" stroke-width="2.5" fill="none" {} }
        }
    };
    html! { svg.sample viewBox="0 0 34 12" aria-hidden="true" { (shape) } }
}

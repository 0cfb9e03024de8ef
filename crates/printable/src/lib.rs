//! Makes text safe for a terminal: escapes what a terminal would obey instead of showing it.
//!
//! Text of others, such as lines of a log, errors of AWS, names of files and columns, can hold sequences that set the
//! window's title, write to the clipboard, clear the screen, or show characters in another order than they stand in.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns whether a terminal obeys a character: C0 and C1 controls, DEL, and what overrides or isolates the direction
/// of text. Source: Unicode 16, sections 23.1 and 23.2, and Annex 9, table 4.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes everything that a terminal obeys but line feeds and tabs: `\u{1b}` in place of ESC.
pub fn escape(text: &str) -> Cow<'_, str> {
    replace(text, |c| !matches!(c, '\n' | '\t'), |c, out| out.extend(c.escape_default()))
}

/// Does the same to what belongs on one line, so line feeds and tabs too.
pub fn escape_line(text: &str) -> Cow<'_, str> {
    replace(text, |_| true, |c, out| out.extend(c.escape_default()))
}

/// Escapes in a JSON text what its writer leaves as it is, such as DEL: `\u009b` stands for the same text.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    replace(json, |c| !matches!(c, '\n' | '\t'), |c, out| _ = write!(out, "\\u{:04x}", u32::from(c)))
}

/// Does what [`escape`] does to text that the caller has coloured: sequences that set colours and weights stay.
///
/// The caller has escaped what it coloured.
pub fn escape_styled(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return escape(text);
    }
    let mut out = String::with_capacity(text.len());
    for (index, part) in text.split('\u{1b}').enumerate() {
        let style = if index == 0 { None } else { style_length(part) };
        match style {
            Some(length) => out.extend(["\u{1b}", &part[..length], &escape(&part[length..])]),
            None if index == 0 => out.push_str(&escape(part)),
            None => out.extend(["\\u{1b}", &escape(part)]),
        }
    }
    Cow::Owned(out)
}

/// The length of what follows ESC in a sequence that sets a style, `[…m`.
fn style_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix('[')?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(end + 2)
}

fn replace(text: &str, but: impl Fn(char) -> bool, escaped: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let goes = |c: char| is_obeyed(c) && but(c);
    if !text.contains(goes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if goes(c) {
            escaped(c, &mut out);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Title, clipboard, clear screen, C1 in place of ESC, DEL, and text that reads backwards.
    const ATTACK: &str = "a\u{1b}]0;owned\u{7}b\u{1b}]52;c;cm0gLXJm\u{7}c\u{1b}[2Jd\u{9b}31me\u{7f}f\u{202e}g\u{2066}h\r\0i\tj\nk ä 魚 🦀";

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for text in [escape(ATTACK), escape_line(ATTACK), escape_json(ATTACK), escape_styled(ATTACK)] {
            let left = text.chars().filter(|c| is_obeyed(*c) && !matches!(c, '\n' | '\t')).count();
            assert_eq!(left, 0, "{text:?}");
            assert!(text.ends_with("k ä 魚 🦀"), "{text:?}");
        }
        assert!(escape(ATTACK).starts_with("a\\u{1b}]0;owned\\u{7}b"), "{}", escape(ATTACK));
        assert!(escape(ATTACK).contains("h\\r\\u{0}i\tj\nk"), "{}", escape(ATTACK));
        assert!(escape_line(ATTACK).contains("i\\tj\\nk"));
        assert!(escape_json("\u{9b}\u{7f}\u{202e}") == "\\u009b\\u007f\\u202e");
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(escape("Größe: 3 × 4\n\tok"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_sequences_that_set_a_style_stay() {
        let styled = escape_styled("\u{1b}[1;31mred\u{1b}[0m \u{1b}[2J \u{1b}[31 \u{1b}]0;t\u{7} \u{1b}");
        assert_eq!(styled, "\u{1b}[1;31mred\u{1b}[0m \\u{1b}[2J \\u{1b}[31 \\u{1b}]0;t\\u{7} \\u{1b}");
    }
}

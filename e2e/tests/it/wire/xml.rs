//! A body in XML as a tree.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

const NO_XML: &str = "the body is no XML";

/// An element.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    /// With its prefix, if it has one.
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

/// The root element.
pub(super) fn parse(text: &str) -> Result<Element, String> {
    let wrong = |error: quick_xml::Error| format!("{NO_XML}: {error}");
    let mut reader = Reader::from_str(text);
    // The outermost stands for the document.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(wrong)?;
        if let Event::Start(start) = event {
            open.push(begun(&start)?);
            continue;
        }
        let ended = if matches!(event, Event::End(_)) { open.pop() } else { None };
        let parent = open.last_mut().ok_or(NO_XML)?;
        match event {
            Event::Empty(start) => parent.children.push(begun(&start)?),
            Event::Text(text) => parent.text.push_str(&text),
            Event::GeneralRef(name) => {
                let reference = format!("&{};", &*name);
                parent.text.push_str(&unescape(&reference).map_err(|error| format!("{NO_XML}: {error}"))?);
            }
            Event::End(_) => parent.children.extend(ended),
            Event::Eof => break,
            _ => {}
        }
    }
    match (open.len(), open.pop().and_then(|mut document| document.children.pop())) {
        (1, Some(root)) => Ok(root),
        _ => Err(NO_XML.to_owned()),
    }
}

fn begun(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("{NO_XML}: {error}"))?;
        element.attributes.push((attribute.key.as_ref().to_owned(), attribute.value.into_owned()));
    }
    Ok(element)
}

//! Where everything stands in a pipeline file.
//!
//! serde forgets places, so the file is read a second time, event by event, into a tree that knows them. An alias
//! shares the node of its anchor, which keeps a file of nested aliases small.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScanError, Span, Tag};

use crate::complaint::{Complaint, SourceFile};

/// Deeper than any pipeline file, shallower than any stack.
const MAX_DEPTH: usize = 64;

/// The places of every key and value of one file.
#[derive(Clone)]
pub(crate) struct Places {
    file: Arc<SourceFile>,
    root: Item,
}

/// A value and the bytes where it is written.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) at: Range<usize>,
    pub(crate) node: Arc<Node>,
}

/// What a value consists of.
pub(crate) enum Node {
    Scalar(String),
    Sequence(Vec<Item>),
    Mapping(Vec<Entry>),
}

/// A key and its value.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Range<usize>,
    pub(crate) value: Item,
}

impl Places {
    /// Reads a file that holds one mapping. The complaints beside the places are of keys written twice.
    pub(crate) fn scan(source: &str, path: &Path) -> Result<(Self, Vec<Complaint>), Complaint> {
        let file = Arc::new(SourceFile {
            path: printable::escape_line(&path.display().to_string()).into_owned(),
            text: source.to_owned(),
        });
        let mut scan = Scan::new(&file);
        for event in Parser::new_from_str(source) {
            let (event, span) = event.map_err(|error| scan.syntax(&error))?;
            scan.event(event, span)?;
        }
        let Scan { root, duplicates, .. } = scan;
        let empty =
            || Complaint::new(&file, 0..0, "the file says nothing").help("the least it can say is `name: my-pipeline`");
        let root = root.ok_or_else(empty)?;
        match &*root.node {
            Node::Mapping(_) => Ok((Self { file, root }, duplicates)),
            Node::Scalar(text) if text.is_empty() => Err(empty()),
            _ => Err(Complaint::new(&file, first_line(source, &root.at), "a pipeline file is a block of keys")
                .help("it begins with a key, such as `name: my-pipeline`")),
        }
    }

    /// Objects to what is written at `path`.
    pub(crate) fn complain(&self, path: &str, message: impl Into<String>) -> Complaint {
        self.complain_at(self.find(path), message)
    }

    /// Objects to the key at `path` being there at all.
    pub(crate) fn complain_key(&self, path: &str, message: impl Into<String>) -> Complaint {
        self.complain_at(self.key(path), message)
    }

    /// Objects to the bytes `at`.
    pub(crate) fn complain_at(&self, at: Range<usize>, message: impl Into<String>) -> Complaint {
        Complaint::new(&self.file, at, message)
    }

    /// The whole file.
    pub(crate) fn root(&self) -> &Item {
        &self.root
    }

    /// The key of the last step of `path`, or else what [`Self::find`] finds.
    pub(crate) fn key(&self, path: &str) -> Range<usize> {
        let (block, key) = path.rsplit_once('.').unwrap_or(("", path));
        let block = steps(block).try_fold(&self.root, |item, step| item.step(&step).map(|found| found.item));
        let entry = block.and_then(|block| block.entries().iter().find(|entry| entry.key == key));
        entry.map_or_else(|| self.find(path), |entry| entry.key_at.clone())
    }

    /// The text of the file between two places.
    pub(crate) fn text(&self, at: &Range<usize>) -> &str {
        self.file.text.get(at.clone()).unwrap_or_default()
    }

    /// The bytes to underline for `path`: a written value, else its key, else the block it would belong to.
    pub(crate) fn find(&self, path: &str) -> Range<usize> {
        let mut item = &self.root;
        let mut mark = self.root.entries().first().map_or(0..0, |entry| entry.key_at.clone());
        for step in steps(path) {
            let Some(found) = item.step(&step) else { break };
            item = found.item;
            mark = match (&*item.node, found.key_at) {
                (Node::Scalar(_), _) if !item.at.is_empty() => item.at.clone(),
                (_, Some(key_at)) => key_at.clone(),
                (Node::Mapping(entries), None) if !entries.is_empty() => entries[0].key_at.clone(),
                _ => item.at.clone(),
            };
        }
        first_line(&self.file.text, &mark)
    }
}

impl PartialEq for Places {
    /// Two files that say the same are equal, wherever they say it.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places({})", self.file.path)
    }
}

struct Found<'a> {
    key_at: Option<&'a Range<usize>>,
    item: &'a Item,
}

impl Item {
    /// The entries of a mapping; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &*self.node {
            Node::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// One step down. A list of one-key blocks, as `stages` is, is looked up by key as well.
    fn step(&self, step: &Step<'_>) -> Option<Found<'_>> {
        let by_key = |entries: &'_ [Entry], key: &str| entries.iter().position(|entry| entry.key == key);
        match (&*self.node, step) {
            (Node::Mapping(entries), Step::Key(key)) => {
                let entry = &entries[by_key(entries, key)?];
                Some(Found { key_at: Some(&entry.key_at), item: &entry.value })
            }
            (Node::Sequence(items), Step::Index(index)) => Some(Found { key_at: None, item: items.get(*index)? }),
            (Node::Sequence(items), Step::Key(key)) => items.iter().find_map(|item| match &*item.node {
                Node::Mapping(entries) => {
                    let entry = &entries[by_key(entries, key)?];
                    Some(Found { key_at: Some(&entry.key_at), item: &entry.value })
                }
                Node::Scalar(text) if text == key => Some(Found { key_at: None, item }),
                _ => None,
            }),
            _ => None,
        }
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Splits `a.b[2]` into its steps.
fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split(['.', '[']).filter(|part| !part.is_empty()).map(|part| {
        match part.strip_suffix(']').and_then(|index| index.parse().ok()) {
            Some(index) => Step::Index(index),
            None => Step::Key(part),
        }
    })
}

fn first_line(text: &str, at: &Range<usize>) -> Range<usize> {
    let line = text.get(at.clone()).and_then(|text| text.lines().next()).unwrap_or_default();
    at.start..at.start + line.trim_end().len()
}

/// A block that is not yet closed.
struct Open {
    start: usize,
    anchor: usize,
    node: Node,
    /// The key whose value comes next.
    key: Option<(String, Range<usize>)>,
}

struct Scan<'a> {
    file: &'a Arc<SourceFile>,
    /// The byte at which each character begins, and the end of the text.
    bytes: Vec<usize>,
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Item>,
    documents: usize,
    duplicates: Vec<Complaint>,
}

impl<'a> Scan<'a> {
    fn new(file: &'a Arc<SourceFile>) -> Self {
        let text = &file.text;
        let bytes = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
        Self {
            file,
            bytes,
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            documents: 0,
            duplicates: Vec::new(),
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Complaint> {
        let at = self.byte(span.start.index())..self.byte(span.end.index());
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a pipeline file is a single YAML document";
                    let help = "remove the `---`, or keep the second pipeline in a file of its own";
                    return Err(Complaint::new(self.file, at, message).help(help));
                }
                Ok(())
            }
            Event::Alias(anchor) => {
                // The parser has refused an anchor it does not know; one that is still open would contain itself.
                let Some(node) = self.anchors.get(&anchor).map(Arc::clone) else {
                    return Err(Complaint::new(self.file, at, "an alias stands within its own anchor"));
                };
                self.close(Item { at, node }, 0)
            }
            Event::Scalar(text, _, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &at)?;
                self.close(Item { at, node: Arc::new(Node::Scalar(text.into_owned())) }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &at)?;
                self.begin(at, anchor, Node::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &at)?;
                self.begin(at, anchor, Node::Mapping(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let at = open.start..at.end.max(open.start);
                    self.close(Item { at, node: Arc::new(open.node) }, open.anchor)
                }
                None => Ok(()),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, at: Range<usize>, anchor: usize, node: Node) -> Result<(), Complaint> {
        if self.open.len() == MAX_DEPTH {
            return Err(Complaint::new(self.file, at, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.open.push(Open { start: at.start, anchor, node, key: None });
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn close(&mut self, item: Item, anchor: usize) -> Result<(), Complaint> {
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&item.node));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(item);
            return Ok(());
        };
        match (&mut open.node, open.key.take()) {
            (Node::Sequence(items), _) => items.push(item),
            (Node::Mapping(entries), Some((key, key_at))) => {
                if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                    self.duplicates.push(
                        Complaint::new(self.file, key_at.clone(), format!("the key `{key}` is written twice"))
                            .label("again here")
                            .also(first.key_at.clone(), "first here"),
                    );
                }
                entries.push(Entry { key, key_at, value: item });
            }
            (Node::Mapping(_), None) => {
                let Node::Scalar(key) = &*item.node else {
                    let at = first_line(&self.file.text, &item.at);
                    return Err(Complaint::new(self.file, at, "a key must be a plain name"));
                };
                open.key = Some((key.clone(), item.at));
            }
            (Node::Scalar(_), _) => {}
        }
        Ok(())
    }

    fn refuse_tag(&self, tag: Option<&Tag>, at: &Range<usize>) -> Result<(), Complaint> {
        match tag {
            Some(tag) if !tag.is_yaml_core_schema() => {
                let message = format!("a pipeline file has no use for the YAML tag `{tag}`");
                Err(Complaint::new(self.file, first_line(&self.file.text, at), message))
            }
            _ => Ok(()),
        }
    }

    fn syntax(&self, error: &ScanError) -> Complaint {
        let text = &self.file.text;
        let at = self.byte(error.marker().index());
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let indent: &str = &text[line_start..];
        let indent = &indent[..indent.len() - indent.trim_start_matches([' ', '\t']).len()];
        if let Some(tab) = indent.find('\t') {
            let tab = line_start + tab;
            return Complaint::new(self.file, tab..tab + 1, "a tab where YAML wants spaces")
                .help("indent with spaces only");
        }
        let width = text[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        Complaint::new(self.file, at..at + width, format!("not valid YAML: {}", error.info()))
    }

    fn byte(&self, char_index: usize) -> usize {
        self.bytes[char_index.min(self.bytes.len() - 1)]
    }
}

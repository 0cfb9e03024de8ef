//! A request's members by their names in the model, read as its service's protocol writes them.
//!
//! What is not in the model is a fault: AWS would ignore it or refuse it, and neither is what a client means.

use serde_json::{Map, Value as Json, json};

use super::Request;
use super::models::{Operation, Shape};
use super::text::{form, path_parts, scalar};
use super::xml::{self, Element};

/// Reads one request; faults are what could not be read or has no place.
struct Reading {
    faults: Vec<String>,
}

/// The members and what is wrong with how they are written.
pub(super) fn members(operation: &Operation<'_>, request: &Request) -> (Json, Vec<String>) {
    let mut reading = Reading { faults: vec![] };
    let Some(input) = operation.input() else { return (json!({}), vec![]) };
    let members = match operation.service.metadata("protocol") {
        "json" => reading.json_body(input, &request.body()),
        "query" => reading.query(input, &request.body()),
        _ => reading.rest(operation, input, request),
    };
    if operation.json["httpChecksum"]["requestChecksumRequired"] == true && !has_checksum(request) {
        reading.faults.push("the body has no checksum".to_owned());
    }
    (members, reading.faults)
}

fn has_checksum(request: &Request) -> bool {
    request
        .headers
        .keys()
        .any(|name| name == "content-md5" || name.starts_with("x-amz-checksum-") || name == "x-amz-trailer")
}

impl Reading {
    fn fault(&mut self, path: &str, what: &str) {
        self.faults.push(if path.is_empty() { what.to_owned() } else { format!("{path}: {what}") });
    }

    fn json_body(&mut self, shape: Shape<'_>, body: &[u8]) -> Json {
        if body.is_empty() {
            return json!({});
        }
        match serde_json::from_slice(body) {
            Ok(json) => self.json(shape, &json, ""),
            Err(error) => {
                self.fault("", &format!("the body is no JSON: {error}"));
                json!({})
            }
        }
    }

    fn json(&mut self, shape: Shape<'_>, wire: &Json, path: &str) -> Json {
        match (shape.kind(), wire) {
            ("structure", Json::Object(given)) => {
                let mut members = Map::new();
                for (key, value) in given {
                    let known = shape.members().find(|(name, member)| member.location_name().unwrap_or(name) == key);
                    match known {
                        Some((name, member)) => {
                            let value = self.json(member, value, &join(path, name));
                            members.insert(name.to_owned(), value);
                        }
                        None => self.fault(&join(path, key), "the model has no such member"),
                    }
                }
                members.into()
            }
            ("list", Json::Array(given)) => given
                .iter()
                .enumerate()
                .map(|(n, value)| self.json(shape.item(), value, &format!("{path}[{n}]")))
                .collect(),
            ("map", Json::Object(given)) => {
                let entries =
                    given.iter().map(|(key, value)| (key.clone(), self.json(shape.value(), value, &join(path, key))));
                entries.collect::<Map<_, _>>().into()
            }
            ("blob", Json::String(text)) => self.text(shape, text, path),
            _ => wire.clone(),
        }
    }

    fn text(&mut self, shape: Shape<'_>, text: &str, path: &str) -> Json {
        scalar(shape, text).unwrap_or_else(|what| {
            self.fault(path, &what);
            Json::Null
        })
    }

    /// The query protocol: `Tags.member.1.Key=…`.
    fn query(&mut self, shape: Shape<'_>, body: &[u8]) -> Json {
        let mut form: Vec<_> = form(body).into_iter().filter(|(key, _)| key != "Action" && key != "Version").collect();
        let members = self.form(shape, "", &mut form);
        for (key, _) in form {
            self.fault(&key, "the model has no such member");
        }
        members.unwrap_or_else(|| json!({}))
    }

    /// Takes out of the form what belongs to a shape; none when nothing does.
    fn form(&mut self, shape: Shape<'_>, prefix: &str, form: &mut Vec<(String, String)>) -> Option<Json> {
        match shape.kind() {
            "structure" => {
                let mut members = Map::new();
                for (name, member) in shape.members() {
                    let prefix = join(prefix, member.location_name().unwrap_or(name));
                    if let Some(value) = self.form(member, &prefix, form) {
                        members.insert(name.to_owned(), value);
                    }
                }
                (!members.is_empty() || prefix.is_empty()).then(|| members.into())
            }
            "list" => {
                let item = shape.item();
                let middle = if shape.is("flattened") { "" } else { item.location_name().unwrap_or("member") };
                let items: Vec<_> =
                    (1..).map_while(|n| self.form(item, &join(&join(prefix, middle), &n.to_string()), form)).collect();
                (!items.is_empty()).then(|| items.into())
            }
            "map" => None,
            _ => {
                let at = form.iter().position(|(key, _)| key == prefix)?;
                let (_, value) = form.remove(at);
                Some(self.text(shape, &value, prefix))
            }
        }
    }

    /// REST: members in path, query, headers and body.
    fn rest(&mut self, operation: &Operation<'_>, input: Shape<'_>, request: &Request) -> Json {
        let (_, template, constants) = operation.http();
        let constants = form(constants.as_bytes());
        let labels = path_parts(template, request.path_and_query().0).unwrap_or_default();
        let mut query = request.query();
        query.retain(|pair| !constants.contains(pair) && pair.0 != "x-id");
        let mut members = Map::new();
        for (name, member) in input.members() {
            let wire = member.location_name().unwrap_or(name);
            let value = match member.location() {
                Some("uri") => {
                    let label = labels.iter().find(|(label, _)| *label == wire);
                    label.map(|(_, value)| self.text(member, value, name))
                }
                Some("querystring") => self.of_query(member, wire, name, &mut query),
                Some("header") => request.header(&wire.to_lowercase()).map(|value| self.of_header(member, value, name)),
                Some("headers") => Some(prefixed(request, wire)).filter(|found| *found != json!({})),
                _ => None,
            };
            members.extend(value.map(|value| (name.to_owned(), value)));
        }
        for (key, _) in query {
            self.fault(&key, "the model has no such member in the query");
        }
        members.extend(self.rest_body(operation, input, request));
        members.into()
    }

    fn of_query(
        &mut self,
        shape: Shape<'_>,
        wire: &str,
        name: &str,
        query: &mut Vec<(String, String)>,
    ) -> Option<Json> {
        let (found, rest): (Vec<_>, Vec<_>) = std::mem::take(query).into_iter().partition(|(key, _)| key == wire);
        *query = rest;
        if shape.kind() == "list" && !found.is_empty() {
            return Some(found.iter().map(|(_, value)| self.text(shape.item(), value, name)).collect());
        }
        found.first().map(|(_, value)| self.text(shape, value, name))
    }

    fn of_header(&mut self, shape: Shape<'_>, value: &str, name: &str) -> Json {
        if shape.kind() == "list" {
            return value.split(',').map(|part| self.text(shape.item(), part.trim(), name)).collect();
        }
        self.text(shape, value, name)
    }

    fn rest_body(&mut self, operation: &Operation<'_>, input: Shape<'_>, request: &Request) -> Map<String, Json> {
        let xml = operation.service.metadata("protocol") == "rest-xml";
        let payload = input.json.get("payload").and_then(Json::as_str);
        let body = request.body();
        let mut members = Map::new();
        let Some((name, shape)) = payload.and_then(|name| Some((name, input.member(name)?))) else {
            if !body.is_empty() && !xml {
                let json = self.json_body(input, &body);
                members.extend(json.as_object().cloned().unwrap_or_default());
            }
            return members;
        };
        let value = match shape.kind() {
            "structure" if body.is_empty() => return members,
            "structure" if xml => self.xml_body(shape, &String::from_utf8_lossy(&body)),
            "structure" => self.json_body(shape, &body),
            "string" => String::from_utf8_lossy(&body).into_owned().into(),
            _ => json!(body.len()),
        };
        members.insert(name.to_owned(), value);
        members
    }

    fn xml_body(&mut self, shape: Shape<'_>, text: &str) -> Json {
        let root = match xml::parse(text) {
            Ok(root) => root,
            Err(what) => {
                self.fault("", &what);
                return json!({});
            }
        };
        if shape.location_name().is_some_and(|name| name != root.name) {
            self.fault(&root.name, "the body has another root element in the model");
        }
        self.xml(shape, &root, "")
    }

    fn xml(&mut self, shape: Shape<'_>, element: &Element, path: &str) -> Json {
        match shape.kind() {
            "structure" => self.xml_structure(shape, element, path),
            "list" => {
                let name = shape.item().location_name().unwrap_or("member");
                let (items, others): (Vec<_>, Vec<_>) = element.children.iter().partition(|child| child.name == name);
                for other in others {
                    self.fault(&join(path, &other.name), "the model has no such item");
                }
                items
                    .iter()
                    .enumerate()
                    .map(|(n, item)| self.xml(shape.item(), item, &format!("{path}[{n}]")))
                    .collect()
            }
            _ => self.text(shape, &element.text, path),
        }
    }

    fn xml_structure(&mut self, shape: Shape<'_>, element: &Element, path: &str) -> Json {
        let mut members = Map::new();
        let mut known = vec![];
        for (name, member) in shape.members() {
            let wire = member.location_name().unwrap_or(name);
            let place = join(path, name);
            if member.is("xmlAttribute") {
                let found = element.attributes.iter().find(|(key, _)| key == wire);
                members.extend(found.map(|(_, value)| (name.to_owned(), self.text(member, value, &place))));
                continue;
            }
            known.push(wire);
            let children: Vec<_> = element.children.iter().filter(|child| child.name == wire).collect();
            let value = match children.as_slice() {
                [] => continue,
                many if member.is("flattened") => {
                    many.iter().map(|child| self.xml(member.item(), child, &place)).collect()
                }
                [only] => self.xml(member, only, &place),
                _ => {
                    self.fault(&place, "it is there more than once");
                    continue;
                }
            };
            members.insert(name.to_owned(), value);
        }
        for child in element.children.iter().filter(|child| !known.contains(&&*child.name)) {
            self.fault(&join(path, &child.name), "the model has no such member");
        }
        members.into()
    }
}

/// Headers with a prefix, as a map.
fn prefixed(request: &Request, prefix: &str) -> Json {
    let prefix = prefix.to_lowercase();
    let found = request.headers.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value)));
    found.map(|(name, value)| (name.to_owned(), Json::from(value.as_str()))).collect::<Map<_, _>>().into()
}

fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}

//! `ConfigMap`s and Secrets made from literals, files and env files.

use std::collections::BTreeMap;

use crate::accumulate::Scope;
use crate::error::{InFile, Problem, Result};
use crate::kustomization::parts::{Generator, GeneratorOptions};
use crate::plugins;
use crate::resource::{Behavior, FileId, Resource};
use crate::transform::origin::{self, Origin};
use crate::yaml::{Map, Node, Scalar, Style, Tag, Text};

/// What a generator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// Runs all generators of a kustomization, in order.
pub(crate) fn run(scope: &Scope<'_>) -> Result<Vec<Resource>> {
    let mut generated = Vec::new();
    let kustomization = scope.kustomization;
    for (kind, generators) in
        [(Kind::ConfigMap, &kustomization.config_maps), (Kind::Secret, &kustomization.secrets)]
    {
        let origin = scope.origin.as_ref().map(|origin| origin.of_builtin(scope.file_name, kind.generator()));
        for generator in generators {
            let options = merged(generator.options.as_ref(), kustomization.generator_options.as_ref());
            generated.push(with_origin(make(scope, kind, generator, &options)?, origin.as_deref()));
        }
    }
    for config in scope.read_plugins(&kustomization.generators)? {
        let origin = Origin::of_plugin(&config);
        let made = plugins::generate(scope, &config)?;
        generated.extend(made.into_iter().map(|resource| with_origin(resource, origin.as_deref())));
    }
    Ok(generated)
}

fn with_origin(mut resource: Resource, annotation: Option<&str>) -> Resource {
    if let Some(annotation) = annotation {
        origin::set(&mut resource, annotation);
    }
    resource
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    fn generator(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMapGenerator",
            Self::Secret => "SecretGenerator",
        }
    }
}

/// The options of one generator with those of all; a flag that is set anywhere is set.
fn merged(own: Option<&GeneratorOptions>, common: Option<&GeneratorOptions>) -> GeneratorOptions {
    let mut options = own.cloned().unwrap_or_default();
    if let Some(common) = common {
        for (key, value) in &common.labels {
            options.labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
        for (key, value) in &common.annotations {
            options.annotations.entry(key.clone()).or_insert_with(|| value.clone());
        }
        options.disable_name_suffix_hash |= common.disable_name_suffix_hash;
        options.immutable |= common.immutable;
    }
    options
}

/// Makes one ConfigMap or Secret.
pub(crate) fn make(
    scope: &Scope<'_>,
    kind: Kind,
    generator: &Generator,
    options: &GeneratorOptions,
) -> Result<Resource> {
    if generator.name.is_empty() {
        let reason = "must not be empty".to_owned();
        return Problem::InvalidField { field: format!("name of the {}", kind.generator()), reason }.fail();
    }
    let mut files = vec![scope.file];
    let data = read_sources(scope, generator, &mut files)?;
    let mut root = Map::default();
    root.set("apiVersion", Scalar::string("v1"));
    root.set("kind", Scalar::string(kind.name()));
    root.push(Scalar::untagged("metadata"), metadata(generator, options).into());
    match kind {
        Kind::ConfigMap => add_config_map_data(&mut root, &data),
        Kind::Secret => add_secret_data(&mut root, generator, &data),
    }
    if options.immutable {
        root.set("immutable", Scalar { text: "true".into(), tag: Tag::Bool, ..Scalar::default() });
    }
    let mut resource = Resource::new(root.into());
    resource.files = files;
    resource.needs_hash = !options.disable_name_suffix_hash;
    let (behavior, written) = match generator.behavior.as_str() {
        "merge" => (Behavior::Merge, "merge"),
        "replace" => (Behavior::Replace, "replace"),
        "create" => (Behavior::Create, "create"),
        _ => (Behavior::Create, "unspecified"),
    };
    resource.behavior = behavior;
    resource.written_behavior = Some(Text::new_static(written));
    Ok(resource)
}

fn metadata(generator: &Generator, options: &GeneratorOptions) -> Map {
    let mut metadata = Map::default();
    metadata.set("name", Scalar::string(generator.name.clone()));
    if !generator.namespace.is_empty() {
        metadata.set("namespace", Scalar::string(generator.namespace.clone()));
    }
    crate::resource::set_texts(&mut metadata, "labels", &options.labels);
    crate::resource::set_texts(&mut metadata, "annotations", &options.annotations);
    metadata
}

fn add_config_map_data(root: &mut Map, data: &BTreeMap<Text, Vec<u8>>) {
    for (key, value) in data {
        let (field, text) = match std::str::from_utf8(value) {
            Ok(text) => ("data", Text::from(text)),
            Err(_) => ("binaryData", encoded_base64(value).into()),
        };
        let map = crate::resource::map_of(root.get_or_insert(field, Node::empty_map));
        map.set(key, data_scalar(text));
    }
}

fn add_secret_data(root: &mut Map, generator: &Generator, data: &BTreeMap<Text, Vec<u8>>) {
    let secret_type = if generator.secret_type.is_empty() { "Opaque" } else { &generator.secret_type };
    root.set("type", Scalar::string(secret_type));
    let mut values = Map::default();
    for (key, value) in data {
        values.set(key, data_scalar(encoded_base64(value).into()));
    }
    root.push(Scalar::untagged("data"), values.into());
}

fn data_scalar(text: Text) -> Scalar {
    let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
    Scalar { style, ..Scalar::string(text) }
}

fn read_sources(
    scope: &Scope<'_>,
    generator: &Generator,
    files: &mut Vec<FileId>,
) -> Result<BTreeMap<Text, Vec<u8>>> {
    let mut pairs: Vec<(Text, Vec<u8>)> = Vec::new();
    for path in &generator.envs {
        let file = scope.loader.load(path)?;
        files.push(scope.session.files.id(&file.path));
        pairs.extend(env_pairs(&file.content).in_file(&file.path)?);
    }
    for literal in &generator.literals {
        pairs.push(literal_pair(literal)?);
    }
    for source in &generator.files {
        let (key, path) = file_source(source)?;
        let file = scope.loader.load(path)?;
        files.push(scope.session.files.id(&file.path));
        pairs.push((key.into(), file.content));
    }
    let mut data = BTreeMap::new();
    for (key, value) in pairs {
        if data.contains_key(&key) {
            let reason = format!("is there twice in `{}`", generator.name);
            return Problem::GeneratorSource { source_text: key.to_string(), reason }.fail();
        }
        data.insert(key, value);
    }
    Ok(data)
}

/// `KEY=value` per line; blank lines and comments are skipped, quotes are kept, `KEY` alone is empty.
fn env_pairs(content: &[u8]) -> Result<Vec<(Text, Vec<u8>)>> {
    let mut pairs = Vec::new();
    for (number, line) in content.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else {
            let line = u32::try_from(number + 1).unwrap_or(u32::MAX);
            return Problem::NotText.at_line(line);
        };
        let text = if number == 0 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if !key.is_empty() {
            pairs.push((key.into(), value.into()));
        }
    }
    Ok(pairs)
}

/// `key=value`, with one pair of quotes around the value removed.
fn literal_pair(literal: &str) -> Result<(Text, Vec<u8>)> {
    match literal.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), without_quotes(value).into())),
        _ => {
            let reason = "must be written `key=value`".to_owned();
            Problem::GeneratorSource { source_text: literal.to_owned(), reason }.fail()
        }
    }
}

fn without_quotes(value: &str) -> &str {
    let quoted = |quote| value.len() >= 2 && value.starts_with(quote) && value.ends_with(quote);
    if quoted('"') || quoted('\'') { &value[1..value.len() - 1] } else { value }
}

/// `path`, whose last part is the key, or `key=path`.
fn file_source(source: &str) -> Result<(&str, &str)> {
    let fail = |reason: &str| {
        Problem::GeneratorSource { source_text: source.to_owned(), reason: reason.to_owned() }.fail()
    };
    match source.split('=').collect::<Vec<_>>()[..] {
        [path] => Ok((path.trim_end_matches('/').rsplit('/').next().unwrap_or(path), path)),
        ["", _] => fail("has no key before `=`"),
        [_, ""] => fail("has no path after `=`"),
        [key, path] => Ok((key, path)),
        _ => fail("has more than one `=`"),
    }
}

/// Base64 as kustomize writes it: from 70 characters on broken into lines of 70, each with a line end.
pub(crate) fn encoded_base64(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let six = (bits >> (18 - 6 * at)) & 0x3f;
            let symbol = if at <= chunk.len() { char::from(SYMBOLS[six as usize]) } else { '=' };
            encoded.push(symbol);
        }
    }
    if encoded.len() < LINE {
        return encoded;
    }
    let mut wrapped = String::with_capacity(encoded.len() + encoded.len() / LINE + 1);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        wrapped.push_str(line);
        wrapped.push('\n');
        rest = more;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_wrapped_from_seventy_characters_on() {
        assert_eq!(encoded_base64(b"a"), "YQ==");
        assert_eq!(encoded_base64(b"abc"), "YWJj");
        let wrapped = encoded_base64(&[b'x'; 54]);
        assert_eq!(wrapped.lines().map(str::len).collect::<Vec<_>>(), [70, 2]);
        assert!(wrapped.ends_with('\n'));
    }

    #[test]
    fn env_files_are_read_line_by_line() {
        let pairs = env_pairs(b"\xef\xbb\xbfA=1\r\n# no\n\n  B=\"x=y\" \nC\n").unwrap();
        let text: Vec<_> =
            pairs.iter().map(|(key, value)| (key.as_str(), std::str::from_utf8(value).unwrap())).collect();
        assert_eq!(text, [("A", "1"), ("B", "\"x=y\" "), ("C", "")]);
    }

    #[test]
    fn literals_lose_one_pair_of_quotes() {
        let check =
            |literal: &str, value: &str| assert_eq!(literal_pair(literal).unwrap().1, value.as_bytes());
        check("a=b=c", "b=c");
        check("a='b'", "b");
        check("a=\"'b'\"", "'b'");
        check("a='b", "'b");
        assert!(literal_pair("=b").is_err());
        assert!(literal_pair("a").is_err());
    }
}

//! `images`: names, tags and digests of container images.

use regex::Regex;

use crate::error::{Problem, Result};
use crate::field_spec::{FieldSpec, Make};
use crate::kustomization::parts::Image;
use crate::resources::Resources;
use crate::selector::compile;
use crate::yaml::{Node, Scalar};

/// Changes the image in every list of containers at any depth, then in the fields the specs name.
///
/// A field that both reach is changed twice, which shows with `tagSuffix`.
pub(crate) fn change(resources: &mut Resources, image: &Image, specs: &[FieldSpec]) -> Result<()> {
    let change = Change::new(image)?;
    for resource in resources.all_mut() {
        if resource.kind() == "CustomResourceDefinition" {
            continue;
        }
        change.containers(&mut resource.node)?;
    }
    for resource in resources.all_mut() {
        if resource.kind() == "CustomResourceDefinition" {
            continue;
        }
        for spec in specs {
            spec.visit(&mut resource.node, Make::Nothing, &mut |node| change.field(node))?;
        }
    }
    Ok(())
}

struct Change<'a> {
    image: &'a Image,
    matches: Regex,
}

impl<'a> Change<'a> {
    fn new(image: &'a Image) -> Result<Self> {
        // The name is a regular expression, as it is in kustomize.
        let pattern = format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", image.name);
        Ok(Self { image, matches: compile(&pattern, &image.name)? })
    }

    fn containers(&self, node: &mut Node) -> Result<()> {
        match node {
            Node::Scalar(_) => Ok(()),
            Node::List(items) => items.iter_mut().try_for_each(|item| self.containers(item)),
            Node::Map(map) => map.entries.iter_mut().try_for_each(|entry| {
                self.containers(&mut entry.value)?;
                match &mut entry.value {
                    Node::List(items)
                        if matches!(entry.key.text.as_str(), "containers" | "initContainers") =>
                    {
                        items.iter_mut().try_for_each(|item| self.container(item))
                    }
                    _ => Ok(()),
                }
            }),
        }
    }

    fn container(&self, container: &mut Node) -> Result<()> {
        match container {
            Node::Map(map) => map.get_mut("image").map_or(Ok(()), |image| self.field(image)),
            other if other.is_null() => Ok(()),
            other => {
                let (field, found) = ("containers".to_owned(), other.kind());
                Problem::WrongType { field, expected: "a list of maps", found }.at_line(other.line())
            }
        }
    }

    fn field(&self, node: &mut Node) -> Result<()> {
        match node {
            Node::Scalar(scalar) => {
                if self.matches.is_match(&scalar.text) {
                    let changed = self.changed(&scalar.text);
                    scalar.replace(Scalar::untagged(changed));
                }
                Ok(())
            }
            other => {
                let (field, found) = ("image".to_owned(), other.kind());
                Problem::WrongType { field, expected: "a string", found }.at_line(other.line())
            }
        }
    }

    /// A new tag drops the digest and a new digest the tag, unless both are given.
    fn changed(&self, current: &str) -> String {
        let (name, tag, digest) = split(current);
        let image = self.image;
        let name = if image.new_name.is_empty() { name } else { &image.new_name };
        let suffixed;
        let (tag, digest) = match (image.new_tag.as_str(), image.digest.as_str()) {
            ("", "") if !image.tag_suffix.is_empty() => {
                suffixed = format!("{tag}{}", image.tag_suffix);
                (suffixed.as_str(), "")
            }
            ("", "") => (tag, digest),
            (tag, digest) => (tag, digest),
        };
        let mut changed = name.to_owned();
        for (separator, part) in [(':', tag), ('@', digest)] {
            if !part.is_empty() {
                changed.push(separator);
                changed.push_str(part);
            }
        }
        changed
    }
}

/// Splits `[host[:port]/]name[:tag][@digest]`.
fn split(image: &str) -> (&str, &str, &str) {
    let after_host = image.find('/').filter(|&slash| slash > 0).unwrap_or(0);
    let at = |sign: char| image[after_host..].find(sign).map(|at| at + after_host);
    match (at(':'), at('@')) {
        (None, None) => (image, "", ""),
        (Some(colon), Some(digest)) if colon < digest => {
            (&image[..colon], &image[colon + 1..digest], &image[digest + 1..])
        }
        (_, Some(digest)) => (&image[..digest], "", &image[digest + 1..]),
        (Some(colon), None) => (&image[..colon], &image[colon + 1..], ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(image: &Image, current: &str, expected: &str) {
        assert_eq!(Change::new(image).unwrap().changed(current), expected);
    }

    #[test]
    fn images_are_split_after_the_host() {
        assert_eq!(split("host:5000/a/b:1@sha256:c"), ("host:5000/a/b", "1", "sha256:c"));
        assert_eq!(split("host:5000/a"), ("host:5000/a", "", ""));
        assert_eq!(split("a@sha256:c"), ("a", "", "sha256:c"));
        assert_eq!(split("a:1"), ("a", "1", ""));
    }

    #[test]
    fn a_new_tag_drops_the_digest() {
        check(&Image { new_tag: "2".into(), ..Image::default() }, "a:1@sha256:c", "a:2");
        check(&Image { digest: "sha256:d".into(), ..Image::default() }, "a:1", "a@sha256:d");
        check(&Image { new_name: "b".into(), ..Image::default() }, "a:1@sha256:c", "b:1@sha256:c");
        check(&Image { tag_suffix: "-arm".into(), ..Image::default() }, "a:1", "a:1-arm");
    }
}

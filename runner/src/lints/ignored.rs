//! Which files of a folder Git would leave out, by the `.gitignore` files in it.
//!
//! A folder as it is holds more than what is committed, first of all the kubeconfig that creating a cluster leaves behind: what Git will not
//! take is not committed. The rules are those of gitignore(5); only the files of the tree count, not those of the user or of `.git/info`.

use std::collections::BTreeMap;

use windlass_kustomize::FileTree;

/// The paths that no `.gitignore` of the tree leaves out, in their order.
pub fn not_ignored(tree: &dyn FileTree, paths: &[String]) -> Vec<String> {
    let rules = Rules::read(tree, paths);
    paths.iter().filter(|path| !rules.ignore(path)).cloned().collect()
}

/// The patterns of each folder that has some.
#[derive(Debug, Default)]
struct Rules(BTreeMap<String, Vec<Pattern>>);

/// One line of a `.gitignore`.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    parts: Vec<String>,
    /// Matches at its own level only, because it has a slash before its end.
    is_anchored: bool,
    /// Matches folders only, because it ends with a slash.
    is_folder: bool,
    /// Takes back what an earlier pattern left out.
    is_exception: bool,
}

impl Rules {
    fn read(tree: &dyn FileTree, paths: &[String]) -> Self {
        let mut rules = Self::default();
        for path in paths {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            if name == ".gitignore" {
                let text = tree.read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                let patterns = text.unwrap_or_default().lines().filter_map(Pattern::parse).collect();
                rules.0.insert(folder.to_owned(), patterns);
            }
        }
        rules
    }

    /// A file is left out if it or a folder that it is in is; nothing takes back a file of a folder that is left out.
    fn ignore(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| (at, true)).chain([(path.len(), false)]);
        ends.into_iter().any(|(end, is_folder)| self.leave_out(&path[..end], is_folder))
    }

    /// What the last pattern that matches says; a deeper file comes after a higher one.
    fn leave_out(&self, path: &str, is_folder: bool) -> bool {
        let folders = std::iter::once("").chain(path.match_indices('/').map(|(at, _)| &path[..at]));
        let mut left_out = false;
        for folder in folders {
            let inside = path[folder.len()..].trim_start_matches('/');
            for pattern in self.0.get(folder).into_iter().flatten() {
                if pattern.matches(inside, is_folder) {
                    left_out = !pattern.is_exception;
                }
            }
        }
        left_out
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim_end();
        let (is_exception, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
        let (is_folder, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let is_anchored = line.contains('/');
        let line = line.strip_prefix('\\').unwrap_or(line).trim_start_matches('/');
        Some(Self {
            parts: line.split('/').map(str::to_owned).collect(),
            is_anchored,
            is_folder,
            is_exception,
        })
    }

    fn matches(&self, path: &str, is_folder: bool) -> bool {
        if self.is_folder && !is_folder {
            return false;
        }
        let parts: Vec<&str> = path.split('/').collect();
        let last = parts.len() - 1;
        if self.is_anchored {
            parts_match(&self.parts, &parts)
        } else {
            wildcard(&self.parts[0], parts[last])
        }
    }
}

/// Whether a path matches part by part; `**` stands for any number of parts.
fn parts_match(pattern: &[String], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([first, rest @ ..], _) if first == "**" => {
            // Behind the last part it means everything inside, and so not the folder itself.
            if rest.is_empty() {
                !path.is_empty()
            } else {
                (0..=path.len()).any(|skip| parts_match(rest, &path[skip..]))
            }
        }
        ([first, rest @ ..], [part, others @ ..]) => wildcard(first, part) && parts_match(rest, others),
        _ => false,
    }
}

/// `*`, `?` and classes within one part of a path, in time that grows with the product of the lengths.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < text.len() {
        match one(&pattern[at..], text[read]) {
            Some(length) => (at, read) = (at + length, read + 1),
            None if pattern.get(at) == Some(&'*') => {
                star = Some((at, read));
                at += 1;
            }
            None => {
                let Some((star_at, star_read)) = star else { return false };
                star = Some((star_at, star_read + 1));
                (at, read) = (star_at + 1, star_read + 1);
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// How much of the pattern the letter matches; none if it does not, or if a star comes first.
fn one(pattern: &[char], letter: char) -> Option<usize> {
    match pattern {
        ['*', ..] | [] => None,
        ['?', ..] => Some(1),
        ['\\', escaped, ..] => (*escaped == letter).then_some(2),
        ['[', class @ ..] if class.iter().skip(1).any(|end| *end == ']') => {
            let end = 1 + class.iter().skip(1).position(|end| *end == ']').expect("the guard found it");
            let is_not = matches!(class[0], '!' | '^');
            let set = &class[usize::from(is_not)..end];
            (in_class(set, letter) != is_not).then_some(end + 2)
        }
        [own, ..] => (*own == letter).then_some(1),
    }
}

fn in_class(set: &[char], letter: char) -> bool {
    let is_range = |window: &[char]| window[1] == '-' && (window[0]..=window[2]).contains(&letter);
    set.contains(&letter) || set.windows(3).any(is_range)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use windlass_kustomize::MemoryTree;

    use super::*;

    fn check(ignores: &[(&str, &str)], left_out: &[&str], taken: &[&str]) {
        let mut tree = MemoryTree::default();
        let mut paths: Vec<String> = left_out.iter().chain(taken).map(|path| (*path).to_owned()).collect();
        for (path, text) in ignores {
            tree.insert(*path, text);
            paths.push((*path).to_owned());
        }
        let kept = not_ignored(&tree, &paths);
        for path in left_out {
            assert!(!kept.iter().any(|kept| kept == path), "{path} should be left out");
        }
        for path in taken {
            assert!(kept.iter().any(|kept| kept == path), "{path} should be taken");
        }
    }

    #[test]
    fn a_name_matches_at_every_depth() {
        let text = "# why\nkubeconfig\n*.kubeconfig\n";
        let left_out = ["a/cluster/kubeconfig", "a/x.kubeconfig", "a/kubeconfig/inside"];
        check(&[("a/.gitignore", text)], &left_out, &["kubeconfig", "a/kubeconfig.md"]);
    }

    #[test]
    fn a_slash_anchors_and_a_slash_at_the_end_means_folders() {
        check(
            &[(".gitignore", "/out\nlogs/\na/*.log\n")],
            &["out", "x/logs/1", "a/1.log"],
            &["x/out", "logs", "a/b/1.log"],
        );
    }

    #[test]
    fn exceptions_take_back_files_but_not_from_a_folder_that_is_left_out() {
        check(
            &[(".gitignore", "*.env\n!shop.env\nold/\n!old/shop.env\n")],
            &["a.env", "old/shop.env"],
            &["shop.env"],
        );
        check(&[(".gitignore", "*.env\n"), ("a/.gitignore", "!b.env\n")], &["b.env"], &["a/b.env"]);
    }

    #[test]
    fn stars_stop_at_slashes_unless_doubled() {
        check(
            &[(".gitignore", "a/**/z\nb/**\n**/deep\n")],
            &["a/z", "a/b/c/z", "b/x", "x/y/deep"],
            &["a/zz", "c/b"],
        );
    }

    #[test]
    fn letters_may_be_listed() {
        check(&[(".gitignore", "x[0-9]\ny[!a]\n\\#z\n")], &["x7", "yb", "#z"], &["xa", "ya", "z"]);
    }

    proptest! {
        #[test]
        fn any_pattern_can_be_matched(pattern in "[a*?\\[\\]!\\\\/-]{0,20}", text in "[ab/]{1,20}") {
            if let Some(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.matches(&text, false);
            }
        }

        #[test]
        fn a_star_matches_whatever_stands_between(before in "[a-z]{0,5}", between in "[a-z]{0,9}", after in "[a-z]{0,5}") {
            let both = wildcard(&format!("{before}*{after}"), &format!("{before}{between}{after}"));
            prop_assert!(both);
        }
    }
}

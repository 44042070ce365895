//! Reading the sources as a newcomer would: which place imports which, how long files
//! and functions are, and who asks for the time or for chance.
//!
//! A *place* is a room of core (a folder of `crates/core/src`) or another crate. Code of
//! tests does not count: neither `#[cfg(test)]` nor what lies in a folder `tests`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One source file, taken apart.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path from the root of the workspace.
    pub path: String,
    /// The place it belongs to.
    pub place: String,
    /// Places it imports, without its own, each with the line of the first mention.
    pub imports: BTreeMap<String, usize>,
    /// Lines with code: no blanks, no comments, no tests.
    pub code_lines: usize,
    /// Its functions: name and lines.
    pub functions: Vec<(String, usize)>,
    /// Paths that are called or named, joined by `::`, with their lines.
    pub mentions: Vec<(String, usize)>,
}

/// Every source file of the crates below a root, taken apart.
///
/// # Errors
/// When a file cannot be read or parsed.
pub fn read(root: &Path) -> anyhow::Result<Vec<Source>> {
    let files = texts(root)?;
    files.iter().map(|(path, text)| parse(path, text).with_context(|| path.clone())).collect()
}

/// Every source file of the crates below a root: its path from the root, and its text.
///
/// # Errors
/// When a file cannot be read.
pub fn texts(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        collect(&entry?.path().join("src"), &mut files)?;
    }
    files.sort();
    files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(root)?.to_string_lossy().into_owned();
            let text = std::fs::read_to_string(file).with_context(|| path.clone())?;
            Ok((path, text))
        })
        .filter(|file| file.as_ref().map_or(true, |(path, _)| !is_test_file(path)))
        .collect()
}

fn is_test_file(path: &str) -> bool {
    let is_of_tests = ["/tests/", "/conformance/"].iter().any(|part| path.contains(part));
    is_of_tests || path.ends_with("/tests.rs") || path.ends_with("/test_models.rs")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Takes one file apart. `path` is `crates/<crate>/src/...`.
///
/// # Errors
/// When it is no Rust.
pub fn parse(path: &str, text: &str) -> anyhow::Result<Source> {
    let file = syn::parse_file(text)?;
    let module = Module::of(path).context("a source lies in crates/<crate>/src")?;
    let mut visitor = Visitor { module: &module, ..Visitor::new(&module) };
    visitor.visit_file(&file);
    let Visitor { imports, functions, mentions, tests, .. } = visitor;
    let is_test = |line: usize| tests.iter().any(|(first, last)| (*first..=*last).contains(&line));
    let is_code = |(at, line): &(usize, &str)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("//") && !is_test(at + 1)
    };
    Ok(Source {
        path: path.to_owned(),
        place: module.place(),
        imports,
        code_lines: text.lines().enumerate().filter(is_code).count(),
        functions,
        mentions,
    })
}

/// Where a file stands: its crate, and its modules from the crate's root on.
struct Module {
    name: String,
    path: Vec<String>,
}

impl Module {
    fn of(path: &str) -> Option<Self> {
        let (name, rest) = path.strip_prefix("crates/")?.split_once("/src/")?;
        let mut path: Vec<String> =
            rest.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if path.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            path.pop();
        }
        Some(Self { name: name.to_owned(), path })
    }

    fn place(&self) -> String {
        match self.path.first() {
            Some(room) if self.name == "core" => room.clone(),
            _ => self.name.clone(),
        }
    }

    /// The place that a path names, if it is one of the workspace's.
    fn place_of(&self, segments: &[String]) -> Option<String> {
        let (first, rest) = segments.split_first()?;
        let mut absolute = match first.as_str() {
            "crate" => rest.to_vec(),
            "super" => {
                let up = segments.iter().take_while(|segment| *segment == "super").count();
                let kept = self.path.len().checked_sub(up)?;
                [&self.path[..kept], &segments[up..]].concat()
            }
            other => {
                let name = other.strip_prefix("crossfold_")?;
                return match rest.first() {
                    Some(room) if name == "core" => Some(room.clone()),
                    _ => Some(name.to_owned()),
                };
            }
        };
        if self.name != "core" {
            return None;
        }
        absolute.truncate(1);
        absolute.pop().filter(|room| room.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    }
}

/// Whether what has these attributes is for tests alone.
#[must_use]
pub fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| {
                    let tokens = list.tokens.to_string();
                    tokens.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
                }))
    })
}

struct Visitor<'a> {
    module: &'a Module,
    imports: BTreeMap<String, usize>,
    functions: Vec<(String, usize)>,
    mentions: Vec<(String, usize)>,
    tests: Vec<(usize, usize)>,
}

impl<'a> Visitor<'a> {
    fn new(module: &'a Module) -> Self {
        Self {
            module,
            imports: BTreeMap::new(),
            functions: Vec::new(),
            mentions: Vec::new(),
            tests: Vec::new(),
        }
    }

    fn mention(&mut self, segments: &[String], line: usize) {
        if let Some(place) = self.module.place_of(segments).filter(|p| *p != self.module.place()) {
            self.imports.entry(place).or_insert(line);
        }
        self.mentions.push((segments.join("::"), line));
    }

    fn use_tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let extended = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&path.tree, &extended(&path.ident)),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.use_tree(item, before));
            }
            syn::UseTree::Name(name) => {
                self.mention(&extended(&name.ident), name.span().start().line);
            }
            syn::UseTree::Rename(name) => {
                self.mention(&extended(&name.ident), name.span().start().line);
            }
            syn::UseTree::Glob(glob) => self.mention(before, glob.span().start().line),
        }
    }

    fn function(&mut self, name: &syn::Ident, span: proc_macro2::Span) {
        let lines = span.end().line + 1 - span.start().line;
        self.functions.push((name.to_string(), lines));
    }

    /// Whether an item is for tests alone; its lines are noted then.
    fn is_test(&mut self, attributes: &[syn::Attribute], span: proc_macro2::Span) -> bool {
        let is_test = is_for_tests(attributes);
        if is_test {
            self.tests.push((span.start().line, span.end().line));
        }
        is_test
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !self.is_test(&item.attrs, item.span()) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !self.is_test(&item.attrs, item.span()) {
            self.function(&item.sig.ident, item.block.span());
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.mention(&segments, path.span().start().line);
        visit::visit_path(self, path);
    }

    // Macros are opaque to the parser; what they are given is looked at as text.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let line = item.span().start().line;
        let tokens = item.tokens.to_string().replace(' ', "");
        self.mentions.push((tokens, line));
        visit::visit_macro(self, item);
    }
}

/// How the places hang together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// The places, and what each imports.
    pub places: BTreeMap<String, BTreeSet<String>>,
}

impl Structure {
    /// Of these sources.
    #[must_use]
    pub fn of(sources: &[Source]) -> Self {
        let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for source in sources {
            let imports = places.entry(source.place.clone()).or_default();
            imports.extend(source.imports.keys().cloned());
        }
        let known: BTreeSet<String> = places.keys().cloned().collect();
        places.values_mut().for_each(|imports| imports.retain(|place| known.contains(place)));
        Self { places }
    }

    /// How many imports there are between places.
    #[must_use]
    pub fn arrows(&self) -> usize {
        self.places.values().map(BTreeSet::len).sum()
    }

    /// Everything that a place reaches by imports.
    fn reach(&self, place: &str) -> BTreeSet<&String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&String> = self.places[place].iter().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(&self.places[next]);
            }
        }
        reached
    }

    /// The pairs of places each of which imports the other, by whatever way.
    #[must_use]
    pub fn circles(&self) -> Vec<BTreeSet<String>> {
        let mut circles: BTreeSet<BTreeSet<String>> = BTreeSet::new();
        for place in self.places.keys() {
            let back = self
                .reach(place)
                .into_iter()
                .filter(|other| *other != place && self.reach(other).contains(place));
            let mut circle: BTreeSet<String> = back.cloned().collect();
            if !circle.is_empty() {
                circle.insert(place.clone());
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// How many pairs of places import each other directly.
    #[must_use]
    pub fn mutual_imports(&self) -> usize {
        let pairs = self.places.iter().flat_map(|(a, imports)| imports.iter().map(move |b| (a, b)));
        pairs.filter(|(a, b)| a < b && self.places[*b].contains(*a)).count()
    }

    /// The places by floor, the ground first: a place stands above all it imports;
    /// places of a circle share a floor.
    #[must_use]
    pub fn floors(&self) -> Vec<BTreeSet<String>> {
        let circles = self.circles();
        let home = |place: &String| -> String {
            let circle = circles.iter().find(|circle| circle.contains(place));
            circle.and_then(|circle| circle.first()).unwrap_or(place).clone()
        };
        let mut floors: Vec<BTreeSet<String>> = Vec::new();
        let mut floor_of: BTreeMap<String, usize> = BTreeMap::new();
        while floor_of.len() < self.places.len() {
            let placed = |place: &String| floor_of.contains_key(place);
            let stands = |place: &&String| {
                let members = self.places.keys().filter(|other| home(other) == home(place));
                members
                    .flat_map(|member| &self.places[member])
                    .all(|import| placed(import) || home(import) == home(place))
            };
            let next: BTreeSet<String> =
                self.places.keys().filter(|place| !placed(place)).filter(stands).cloned().collect();
            next.iter().for_each(|place| {
                floor_of.insert(place.clone(), floors.len());
            });
            floors.push(next);
        }
        floors
    }
}

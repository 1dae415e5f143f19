//! No circle of imports between the files of a crate. An arrow leads from a file to each file that it names in a `use`
//! or in another path. Code for tests only is not read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::{files, root};

/// The path of a module inside its crate; the root of the crate has an empty path.
type Module = Vec<String>;

/// A path in the source: a leaf of a `use`, or two names or more in other code.
struct Mention {
    /// The module that has the path, which can be a module inside the file.
    module: Module,
    path: Vec<String>,
    line: usize,
    /// The name that a `use` gives to the path.
    name: Option<String>,
}

/// The modules and paths of one file.
#[derive(Default)]
struct Reader {
    /// The modules with a body in the file, and the file's own module.
    modules: Vec<Module>,
    /// Modules of tests, with or without a body in the file.
    tests: Vec<Module>,
    mentions: Vec<Mention>,
}

fn is(token: Option<&TokenTree>, punct: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == punct)
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    let Some(TokenTree::Ident(ident)) = token else { return None };
    Some(ident.to_string().trim_start_matches("r#").to_owned())
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    let Some(TokenTree::Group(group)) = token else { return None };
    (group.delimiter() == delimiter).then_some(group)
}

fn trees(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

/// Reports whether a `::` starts at this token.
fn separates(tokens: &[TokenTree], at: usize) -> bool {
    is(tokens.get(at), ':') && is(tokens.get(at + 1), ':')
}

impl Reader {
    fn read(module: &Module, source: &str) -> Self {
        let stream: TokenStream = source.parse().expect("a file that compiles has tokens");
        let mut reader = Self { modules: vec![module.clone()], ..Self::default() };
        reader.tokens(&trees(stream), module);
        reader
    }

    fn tokens(&mut self, tokens: &[TokenTree], module: &Module) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let word = ident(Some(token));
            let next = ident(tokens.get(at + 1));
            at += match (word.as_deref(), next) {
                (Some("mod"), Some(child)) => {
                    let inner = [module.as_slice(), &[child]].concat();
                    if let Some(body) = group(tokens.get(at + 2), Delimiter::Brace) {
                        self.tokens(&trees(body.stream()), &inner);
                        self.modules.push(inner);
                    }
                    3
                }
                // The parentheses of `pub(in ...)` import nothing.
                (Some("pub"), _) => 1 + usize::from(group(tokens.get(at + 1), Delimiter::Parenthesis).is_some()),
                // `use<...>` in a type names generic parameters.
                (Some("use"), _) if !is(tokens.get(at + 1), '<') => 1 + self.imports(&tokens[at + 1..], module, &[]),
                (Some(_), _) => {
                    let (path, length) = path(&tokens[at..]);
                    if path.len() > 1 {
                        self.mention(module, path, token, None);
                    }
                    length
                }
                // A path that starts with `::` belongs to another crate or to a type.
                (None, _) if separates(tokens, at) => 2 + path(&tokens[at + 2..]).1,
                (None, _) if is(Some(token), '#') => {
                    let attribute = group(tokens.get(at + 1), Delimiter::Bracket).map(|group| group.stream());
                    let tests =
                        attribute.is_some_and(|attribute| attribute.to_string().replace(' ', "") == "cfg(test)");
                    if tests { self.item_of_tests(&tokens[at..], module) } else { 1 }
                }
                (None, _) => {
                    if let TokenTree::Group(group) = token {
                        self.tokens(&trees(group.stream()), module);
                    }
                    1
                }
            };
        }
    }

    /// Skips an item up to its body or semicolon. Returns its number of tokens.
    fn item_of_tests(&mut self, item: &[TokenTree], module: &Module) -> usize {
        let end = |token: &TokenTree| is(Some(token), ';') || group(Some(token), Delimiter::Brace).is_some();
        let length = item.iter().position(end).map_or(item.len(), |last| last + 1);
        let keyword = item[..length].iter().position(|token| ident(Some(token)).as_deref() == Some("mod"));
        if let Some(child) = keyword.and_then(|keyword| ident(item.get(keyword + 1))) {
            self.tests.push([module.as_slice(), &[child]].concat());
        }
        length
    }

    fn mention(&mut self, module: &Module, path: Vec<String>, token: &TokenTree, name: Option<String>) {
        self.mentions.push(Mention { module: module.clone(), path, line: token.span().start().line, name });
    }

    /// Reads one tree of a `use` below this path. Returns its number of tokens.
    fn imports(&mut self, tokens: &[TokenTree], module: &Module, prefix: &[String]) -> usize {
        if separates(tokens, 0) {
            // Another crate.
            return tokens
                .iter()
                .position(|token| is(Some(token), ',') || is(Some(token), ';'))
                .unwrap_or(tokens.len());
        }
        let (mut path, mut at) = path(tokens);
        path.splice(0..0, prefix.iter().cloned());
        if separates(tokens, at) {
            at += 2;
        }
        if let Some(group) = group(tokens.get(at), Delimiter::Brace) {
            let inner = trees(group.stream());
            let mut read = 0;
            while read < inner.len() {
                read += self.imports(&inner[read..], module, &path).max(1);
            }
            return at + 1;
        }
        let Some(first) = tokens.first().filter(|_| at > 0 || is(tokens.first(), '*')) else { return 0 };
        let mut name = path.last().cloned();
        if is(tokens.get(at), '*') {
            (name, at) = (None, at + 1);
        } else if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
            name = path.last().cloned();
        }
        if ident(tokens.get(at)).as_deref() == Some("as") {
            (name, at) = (ident(tokens.get(at + 1)), at + 2);
        }
        self.mention(module, path, first, name);
        at
    }
}

/// Reads the names that `::` joins at the start of these tokens. Returns them and their number of tokens.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let (mut path, mut at) = (Vec::new(), 0);
    while let Some(name) = ident(tokens.get(at)) {
        path.push(name);
        at += 1;
        if !separates(tokens, at) || ident(tokens.get(at + 2)).is_none() {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// The first mention of one file in another.
#[derive(Clone)]
struct Arrow {
    line: usize,
    path: String,
}

/// The arrows of a crate: file, mentioned file, mention.
type Arrows = BTreeMap<String, BTreeMap<String, Arrow>>;

/// Returns the module that a file holds. Its path is relative to the folder `src`.
fn module(file: &str) -> Module {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if path == "lib" { Module::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// The modules of a crate, and the names that `use` gives to modules.
#[derive(Default)]
struct Crate {
    /// Each module and its file.
    modules: BTreeMap<Module, String>,
    /// A module, a name inside it, and the module with that name.
    names: BTreeMap<(Module, String), Module>,
}

impl Crate {
    /// Returns the absolute path of a mention, or nothing where it belongs to another crate or is a type.
    fn absolute(&self, Mention { module, path, .. }: &Mention) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Module::new(),
            "self" => module.clone(),
            "super" => parent(module),
            name => {
                let child = [module.as_slice(), &[name.to_owned()]].concat();
                let named = self.names.get(&(module.clone(), name.to_owned()));
                named.cloned().or_else(|| self.modules.contains_key(&child).then_some(child))?
            }
        };
        for name in rest {
            if name == "super" {
                base = parent(&base);
            } else {
                base.push(name.clone());
            }
        }
        Some(base)
    }

    /// Returns the file of the innermost module on an absolute path.
    fn file(&self, path: &Module) -> Option<&String> {
        (0..=path.len()).rev().find_map(|length| self.modules.get(&path[..length]))
    }
}

fn parent(module: &Module) -> Module {
    module.split_last().map_or_else(Module::new, |(_, parent)| parent.to_vec())
}

/// Finds the arrows between the files of a crate. The path of each file is relative to the folder `src`.
fn arrows(sources: &[(String, String)]) -> Arrows {
    let read = |(file, source): &(String, String)| (file.clone(), Reader::read(&module(file), source));
    let mut readers: Vec<(String, Reader)> = sources.iter().map(read).collect();
    let tests: Vec<Module> = readers.iter().flat_map(|(_, reader)| reader.tests.clone()).collect();
    readers.retain(|(file, _)| !tests.iter().any(|test| module(file).starts_with(test)));

    let mut all = Crate::default();
    for (file, reader) in &readers {
        all.modules.extend(reader.modules.iter().map(|module| (module.clone(), file.clone())));
    }
    for mention in readers.iter().flat_map(|(_, reader)| &reader.mentions) {
        if let (Some(name), Some(path)) = (&mention.name, all.absolute(mention))
            && all.modules.contains_key(&path)
        {
            all.names.insert((mention.module.clone(), name.clone()), path);
        }
    }
    let mut arrows: Arrows = readers.iter().map(|(file, _)| (file.clone(), BTreeMap::new())).collect();
    for (file, reader) in &readers {
        for mention in &reader.mentions {
            let to = all.absolute(mention).and_then(|path| all.file(&path)).filter(|to| *to != file);
            if let Some(to) = to {
                let arrow = Arrow { line: mention.line, path: mention.path.join("::") };
                arrows.entry(file.clone()).or_default().entry(to.clone()).or_insert(arrow);
            }
        }
    }
    arrows
}

/// A depth-first search for arrows that lead back to a file on the way.
struct Search<'a> {
    arrows: &'a Arrows,
    way: Vec<&'a str>,
    done: BTreeSet<&'a str>,
    found: Vec<String>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, file: &'a str) {
        if !self.done.insert(file) {
            return;
        }
        self.way.push(file);
        for (to, Arrow { line, path }) in &self.arrows[file] {
            if self.way.contains(&to.as_str()) {
                let circle = shortest(self.arrows, to, file).join(" -> ");
                self.found.push(format!("{file}:{line}: {path} closes the circle {circle} -> {to}"));
            } else {
                self.visit(to);
            }
        }
        self.way.pop();
    }
}

/// Returns the files on a shortest way between two files.
fn shortest<'a>(arrows: &'a Arrows, from: &'a str, to: &str) -> Vec<&'a str> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let last = way.last().copied().unwrap_or(from);
        if last == to {
            return way;
        }
        let next = arrows[last].keys().filter(|next| seen.insert(next.as_str()));
        ways.extend(next.map(|next| [way.as_slice(), &[next.as_str()]].concat()));
    }
    Vec::new()
}

/// Returns a line for each arrow that closes a circle. The search starts at the root of the crate, so that the line
/// names the arrow that leads back towards the root.
fn circles(arrows: &Arrows) -> Vec<String> {
    let mut search = Search { arrows, way: Vec::new(), done: BTreeSet::new(), found: Vec::new() };
    let roots = arrows.keys().filter(|file| *file == "lib.rs");
    for file in roots.chain(arrows.keys()) {
        search.visit(file);
    }
    search.found
}

/// Reads the files of the library of a crate.
fn library(name: &str) -> Vec<(String, String)> {
    let folder = root().join(name).join("src");
    let read = |path: std::path::PathBuf| {
        let source = fs::read_to_string(&path).expect("a readable file");
        (path.strip_prefix(&folder).expect("a file below the folder").to_string_lossy().into_owned(), source)
    };
    let mut sources: Vec<(String, String)> = files(&folder, ".rs").into_iter().map(read).collect();
    // Programs are crates of their own.
    sources.retain(|(file, _)| file != "main.rs" && file != "newer.rs");
    sources.sort();
    sources
}

#[test]
fn no_circle_of_imports_in_a_crate() {
    let mut found = Vec::new();
    for name in ["core", "client", "mirror", "plugin", "webhook"] {
        let arrows = arrows(&library(name));
        let count = arrows.values().map(BTreeMap::len).sum::<usize>();
        assert!(count >= 4, "{name}: {count} arrows are read");
        found.extend(circles(&arrows).into_iter().map(|line| format!("{name}/src/{line}")));
    }
    assert!(found.is_empty(), "{} arrows:\n{}", found.len(), found.join("\n"));
}

/// Returns the arrows of files, each as `from:line to path`.
fn found(sources: &[(&str, &str)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (from, arrows) in arrows(&owned(sources)) {
        lines.extend(arrows.iter().map(|(to, Arrow { line, path })| format!("{from}:{line} {to} {path}")));
    }
    lines
}

fn owned(sources: &[(&str, &str)]) -> Vec<(String, String)> {
    sources.iter().map(|(file, source)| ((*file).to_owned(), (*source).to_owned())).collect()
}

#[test]
fn each_kind_of_path_is_an_arrow() {
    let empty = [("lib.rs", ""), ("a.rs", ""), ("b.rs", ""), ("b/c.rs", ""), ("b/c/d.rs", "")];
    for (file, source, expected) in [
        ("a.rs", "\nuse crate::b::X;", vec!["a.rs:2 b.rs crate::b::X"]),
        ("a.rs", "use crate::b;", vec!["a.rs:1 b.rs crate::b"]),
        ("a.rs", "use crate::X;", vec!["a.rs:1 lib.rs crate::X"]),
        ("a.rs", "pub(crate) use super::b::*;", vec!["a.rs:1 b.rs super::b"]),
        (
            "a.rs",
            "use crate::{\nb::{X, c::{self, Y}},\nb::c::d::{Z as W},\n};",
            vec!["a.rs:2 b.rs crate::b::X", "a.rs:2 b/c.rs crate::b::c", "a.rs:3 b/c/d.rs crate::b::c::d::Z"],
        ),
        ("a.rs", "fn f() -> crate::b::X { 1 }", vec!["a.rs:1 b.rs crate::b::X"]),
        ("a.rs", "fn f() { g!(\"{}\", Vec::<crate::b::X>::new()) }", vec!["a.rs:1 b.rs crate::b::X"]),
        ("a.rs", "fn f() { $crate::b::c::g() }", vec!["a.rs:1 b/c.rs crate::b::c::g"]),
        ("a.rs", "use crate::b; fn f() { b::c::g() }", vec!["a.rs:1 b.rs crate::b", "a.rs:1 b/c.rs b::c::g"]),
        (
            "a.rs",
            "use crate::b::c as e; fn f() { e::d::g() }",
            vec!["a.rs:1 b/c.rs crate::b::c", "a.rs:1 b/c/d.rs e::d::g"],
        ),
        ("b.rs", "mod c; use c::X;", vec!["b.rs:1 b/c.rs c::X"]),
        ("b.rs", "mod c; fn f() { c::d::g() }", vec!["b.rs:1 b/c/d.rs c::d::g"]),
        ("b.rs", "mod c; fn f() { self::c::g() }", vec!["b.rs:1 b/c.rs self::c::g"]),
        ("b/c.rs", "use super::super::a::X;", vec!["b/c.rs:1 a.rs super::super::a::X"]),
        ("b/c.rs", "use super::X;", vec!["b/c.rs:1 b.rs super::X"]),
        (
            "b/c.rs",
            "mod e { use super::super::X; use super::d::Y; }",
            vec!["b/c.rs:1 b.rs super::super::X", "b/c.rs:1 b/c/d.rs super::d::Y"],
        ),
        // Not an arrow.
        ("b.rs", "mod c; mod e { fn f() { c::g() } }", vec![]),
        ("b.rs", "mod c; fn f() { std::c::g(); <X as Y>::c::h(); ::c::g(); x.c }", vec![]),
        ("b.rs", "use c::X as Y, ::a::Z;", vec!["b.rs:1 b/c.rs c::X"]),
        ("a.rs", "use std::{b, fmt::b as c}; fn f() { crate::a::g(); Self::b::h() }", vec![]),
        ("a.rs", "pub(in crate::b) fn f(x: impl X + use<'a>) -> self::Y { Z::W }", vec![]),
        ("a.rs", "/// See [`crate::b`].\nfn f() { \"crate::b::X\" } // crate::b::X", vec![]),
        ("a.rs", "#[cfg(test)] mod tests { use crate::b::X; }", vec![]),
        ("a.rs", "#[cfg(test)] use crate::b::X; use crate::b::c::Y;", vec!["a.rs:1 b/c.rs crate::b::c::Y"]),
        ("b.rs", "#[cfg(test)] #[allow(x)] pub(crate) mod c; fn f() {}", vec![]),
    ] {
        let sources = empty.map(|(name, text)| (name, if name == file { source } else { text }));
        assert_eq!(found(&sources), expected, "{file}: {source}");
    }
}

#[test]
fn files_of_tests_have_no_arrows() {
    let sources = [("lib.rs", ""), ("a.rs", "#[cfg(test)]\nmod tests;"), ("a/tests.rs", "use super::X;")];
    assert_eq!(found(&sources), Vec::<String>::new());
    let sources = [("lib.rs", ""), ("a.rs", "mod tests;"), ("a/tests.rs", "use super::X;")];
    assert_eq!(found(&sources), ["a/tests.rs:1 a.rs super::X"]);
}

#[test]
fn each_arrow_that_closes_a_circle_is_named() {
    for (sources, expected) in [
        (vec![("lib.rs", "mod a; use a::X;"), ("a.rs", "use crate::b::X;"), ("b.rs", "use std::a;")], vec![]),
        (
            vec![("lib.rs", "mod a; use a::X;"), ("a.rs", "\nuse crate::Y;")],
            vec!["a.rs:2: crate::Y closes the circle lib.rs -> a.rs -> lib.rs"],
        ),
        (
            vec![("a.rs", "use crate::b::X;"), ("b.rs", "use crate::c::X;"), ("c.rs", "use crate::a::X;")],
            vec!["c.rs:1: crate::a::X closes the circle a.rs -> b.rs -> c.rs -> a.rs"],
        ),
        (
            vec![("a.rs", "mod b; use b::X;"), ("a/b.rs", "use super::Y;"), ("c.rs", "use crate::a::d;"), ("d.rs", "")],
            vec!["a/b.rs:1: super::Y closes the circle a.rs -> a/b.rs -> a.rs"],
        ),
        (
            vec![("a.rs", "use crate::b::X;"), ("b.rs", "use crate::{a::X, c::Y};"), ("c.rs", "use crate::b::Z;")],
            vec![
                "b.rs:1: crate::a::X closes the circle a.rs -> b.rs -> a.rs",
                "c.rs:1: crate::b::Z closes the circle b.rs -> c.rs -> b.rs",
            ],
        ),
        // The shortest circle is named: the search comes from a.rs to c.rs by way of b.rs.
        (
            vec![("a.rs", "use crate::{b::X, c::X};"), ("b.rs", "use crate::c::X;"), ("c.rs", "use crate::a::X;")],
            vec!["c.rs:1: crate::a::X closes the circle a.rs -> c.rs -> a.rs"],
        ),
        // Two ways to one file are no circle.
        (
            vec![
                ("a.rs", "use crate::{b::X, c::X};"),
                ("b.rs", "use crate::d::X;"),
                ("c.rs", "use crate::d::X;"),
                ("d.rs", ""),
            ],
            vec![],
        ),
    ] {
        assert_eq!(circles(&arrows(&owned(&sources))), expected, "{sources:?}");
    }
}

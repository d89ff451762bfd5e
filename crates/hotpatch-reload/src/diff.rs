//! What became of the statements of a text in another version of it.
//!
//! Definitions are matched by kind and name, whatever blocks of their scope they stand in: those that mean the
//! same in the same blocks first, then those in the same blocks, then those that mean the same, and then in their
//! order. Those with the same decorators come first. Other statements are matched if they mean the same. Loops and `with`
//! statements are one statement, apart from the definitions in them.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::digest::{Digest, digest};
use crate::outline::{Block, Function, Keyword, Kind, Outline, Statement};

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Nothing.
    Same,
    /// It stands in other lines.
    Moved,
    /// It means the same, and is written in another way.
    Rewritten,
    /// It means something else.
    Edited,
    /// It is a function that only has another name now.
    Renamed,
    /// It was not there.
    Added,
    /// It is gone.
    Removed,
}

impl Fate {
    /// In lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Moved => "moved",
            Self::Rewritten => "rewritten",
            Self::Edited => "edited",
            Self::Renamed => "renamed",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// A statement in its place.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// The statement.
    pub statement: &'a Statement,
    /// The blocks that it is in, from the outermost, and in which suite of each.
    pub blocks: Vec<(&'a Statement, usize)>,
}

/// What became of one statement.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// What.
    pub fate: Fate,
    /// The statement as it was, unless it was added.
    pub old: Option<Placed<'a>>,
    /// The statement as it is, unless it was removed.
    pub new: Option<Placed<'a>>,
    /// What became of the statements in it, if it is a class that was there before.
    pub inner: Vec<Step<'a>>,
}

/// What became of all statements, in the order of the new text. Those that are gone come last.
#[must_use]
pub fn steps<'a>(old: &'a Outline, new: &'a Outline) -> Vec<Step<'a>> {
    in_scope(&old.statements, &new.statements)
}

/// What can be matched. Different kinds of it never are.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Function(&'a str),
    Class(&'a str),
    /// The test of an `if`, the handlers of a `try`, the cases of a `match`: what is in it stands for itself.
    Header(Keyword, Digest),
    /// Any other, loops with what is in them.
    Statement(Digest),
}

struct Item<'a> {
    key: Key<'a>,
    meaning: Digest,
    /// Of the decorators.
    decorators: Option<Digest>,
    /// Of the blocks that it is in, and of those with the suites of them that it is in.
    around: Digest,
    path: Digest,
    place: Placed<'a>,
    /// How many of the next items are in it.
    inside: usize,
}

fn in_scope<'a>(old: &'a [Statement], new: &'a [Statement]) -> Vec<Step<'a>> {
    let (old, new) = (flattened(old), flattened(new));
    let mut partners = matched(&old, &new);
    let renamed = find_renamed(&old, &new, &mut partners);
    let is_taken = taken(&partners, old.len());
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(item) = new.get(next) {
        let partner = partners[next].map(|index| &old[index]);
        let inside = next + 1..=next + item.inside;
        next += 1;
        if let Some(partner) = partner {
            let is_renamed = renamed == Some(next - 1);
            found.push(step(partner, item, is_renamed));
            continue;
        }
        let new = Some(item.place.clone());
        found.push(Step { fate: Fate::Added, old: None, new, inner: Vec::new() });
        // A block that is new as a whole is one statement.
        if partners[inside].iter().all(Option::is_none) {
            next += item.inside;
        }
    }
    let mut next = 0;
    while let Some(item) = old.get(next) {
        let inside = next + 1..=next + item.inside;
        next += 1;
        if !is_taken[next - 1] {
            let old = Some(item.place.clone());
            found.push(Step { fate: Fate::Removed, old, new: None, inner: Vec::new() });
            if !is_taken[inside].contains(&true) {
                next += item.inside;
            }
        }
    }
    found
}

/// What became of a statement that was there before.
fn step<'a>(old: &Item<'a>, new: &Item<'a>, is_renamed: bool) -> Step<'a> {
    let (before, after) = (old.place.statement, new.place.statement);
    let is_header = matches!(new.key, Key::Header(..));
    let fate = match () {
        () if is_renamed => Fate::Renamed,
        () if old.meaning != new.meaning => Fate::Edited,
        () if before.form != after.form && !is_header => Fate::Rewritten,
        () if before.lines != after.lines => Fate::Moved,
        () => Fate::Same,
    };
    let inner = match (&before.kind, &after.kind) {
        (Kind::Class(before), Kind::Class(after)) => in_scope(&before.body, &after.body),
        _ => Vec::new(),
    };
    Step { fate, old: Some(old.place.clone()), new: Some(new.place.clone()), inner }
}

/// The statements of a scope, with those in its blocks.
fn flattened(statements: &[Statement]) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    flatten(statements, &[], false, &mut items);
    items
}

fn flatten<'a>(
    statements: &'a [Statement],
    blocks: &[(&'a Statement, usize)],
    only_definitions: bool,
    items: &mut Vec<Item<'a>>,
) {
    for statement in statements {
        let (mut meaning, mut inner) = (statement.meaning, None);
        let key = match &statement.kind {
            Kind::Function(it) => Key::Function(&it.name),
            Kind::Class(it) => Key::Class(&it.name),
            Kind::Simple => Key::Statement(meaning),
            Kind::Block(it) => {
                let is_whole = is_whole(it.keyword);
                inner = Some((it, only_definitions || is_whole));
                if is_whole {
                    meaning = apart_from_definitions(it);
                    Key::Statement(meaning)
                } else {
                    meaning = it.header;
                    Key::Header(it.keyword, it.header)
                }
            }
        };
        let place = Placed { statement, blocks: blocks.to_vec() };
        let is_definition = matches!(key, Key::Function(_) | Key::Class(_));
        let start = items.len();
        let is_item = is_definition || !only_definitions;
        if is_item {
            let decorators = match &statement.kind {
                Kind::Function(it) => Some(it.decorators),
                _ => None,
            };
            let (around, path) = (around(blocks), path(blocks));
            items.push(Item { key, meaning, decorators, around, path, place, inside: 0 });
        }
        if let Some((block, only_definitions)) = inner {
            for (index, suite) in block.suites.iter().enumerate() {
                let blocks: Vec<_> = blocks.iter().copied().chain([(statement, index)]).collect();
                flatten(suite, &blocks, only_definitions, items);
            }
            if is_item {
                items[start].inside = items.len() - start - 1;
            }
        }
    }
}

/// Whether a block runs as a whole or not at all.
fn is_whole(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::With | Keyword::For | Keyword::While)
}

/// Of what a block means without the definitions in it.
fn apart_from_definitions(block: &Block) -> Digest {
    let in_suite = |suite: &[Statement]| -> Vec<Digest> {
        let meanings = suite.iter().filter_map(|statement| match &statement.kind {
            Kind::Function(_) | Kind::Class(_) => None,
            Kind::Block(inner) => Some(apart_from_definitions(inner)),
            Kind::Simple => Some(statement.meaning),
        });
        meanings.collect()
    };
    let suites: Vec<_> = block.suites.iter().map(|suite| in_suite(suite)).collect();
    digest(&(block.keyword, block.header, suites))
}

/// For each new item the index of the old one that it was.
fn matched(old: &[Item<'_>], new: &[Item<'_>]) -> Vec<Option<usize>> {
    let mut partners = vec![None; new.len()];
    pair_by(old, new, |it| (&it.key, it.path, it.meaning), &mut partners);
    pair_by(old, new, |it| (&it.key, it.path, it.decorators), &mut partners);
    pair_by(old, new, |it| (&it.key, it.path), &mut partners);
    pair_by(old, new, |it| (&it.key, it.meaning), &mut partners);
    pair_by(old, new, |it| &it.key, &mut partners);
    for (item, partner) in new.iter().zip(&mut partners) {
        // In another suite of the same block it is run when that was not.
        let is_elsewhere = |it: &Item<'_>| it.around == item.around && it.path != item.path;
        if matches!(item.key, Key::Statement(_)) && partner.is_some_and(|it| is_elsewhere(&old[it]))
        {
            *partner = None;
        }
    }
    partners
}

/// Of the blocks that something is in: what they mean.
fn around(blocks: &[(&Statement, usize)]) -> Digest {
    digest(&blocks.iter().map(|(block, _)| header(block)).collect::<Vec<_>>())
}

/// Of the blocks that something is in, and in which suites of them it is.
fn path(blocks: &[(&Statement, usize)]) -> Digest {
    digest(&blocks.iter().map(|(block, suite)| (header(block), *suite)).collect::<Vec<_>>())
}

fn header(statement: &Statement) -> Option<(Keyword, Digest)> {
    match &statement.kind {
        Kind::Block(it) => Some((it.keyword, it.header)),
        _ => None,
    }
}

/// Pairs those that have no partner yet and have the same in common.
fn pair_by<'i, 'a, K: Hash + Eq>(
    old: &'i [Item<'a>],
    new: &'i [Item<'a>],
    key: impl Fn(&'i Item<'a>) -> K,
    partners: &mut [Option<usize>],
) {
    let is_taken = taken(partners, old.len());
    let left = by(old, &key, |index| !is_taken[index]);
    pair(left, new, &key, partners);
}

/// Which of so many old items have a partner.
fn taken(partners: &[Option<usize>], count: usize) -> Vec<bool> {
    let mut is_taken = vec![false; count];
    for partner in partners.iter().flatten() {
        is_taken[*partner] = true;
    }
    is_taken
}

/// The indices of items, by what they have in common.
fn by<'i, 'a, K: Hash + Eq>(
    items: &'i [Item<'a>],
    key: impl Fn(&'i Item<'a>) -> K,
    is_wanted: impl Fn(usize) -> bool,
) -> HashMap<K, VecDeque<usize>> {
    let mut found: HashMap<K, VecDeque<usize>> = HashMap::new();
    for (index, item) in items.iter().enumerate().filter(|(index, _)| is_wanted(*index)) {
        found.entry(key(item)).or_default().push_back(index);
    }
    found
}

fn pair<'i, 'a, K: Hash + Eq>(
    mut known: HashMap<K, VecDeque<usize>>,
    new: &'i [Item<'a>],
    key: impl Fn(&'i Item<'a>) -> K,
    partners: &mut [Option<usize>],
) {
    for (item, partner) in new.iter().zip(partners).filter(|(_, partner)| partner.is_none()) {
        *partner = known.get_mut(&key(item)).and_then(VecDeque::pop_front);
    }
}

/// Finds a function that only got another name: the only one that is gone and the only one that is new.
fn find_renamed(
    old: &[Item<'_>],
    new: &[Item<'_>],
    partners: &mut [Option<usize>],
) -> Option<usize> {
    let is_taken = taken(partners, old.len());
    let gone = only((0..old.len()).filter(|it| !is_taken[*it]), old)?;
    let come = only((0..new.len()).filter(|it| partners[*it].is_none()), new)?;
    let is_same = |one: &Function, other: &Function| {
        let parts = |it: &Function| (it.decorators, it.defaults.clone(), it.annotations, it.code);
        parts(one) == parts(other)
    };
    if is_same(function(&old[gone])?, function(&new[come])?) {
        partners[come] = Some(gone);
        return Some(come);
    }
    None
}

/// The one among the items with these indices that is a function.
fn only(indices: impl Iterator<Item = usize>, items: &[Item<'_>]) -> Option<usize> {
    let mut functions = indices.filter(|index| function(&items[*index]).is_some());
    let first = functions.next();
    first.filter(|_| functions.next().is_none())
}

fn function<'a>(item: &Item<'a>) -> Option<&'a Function> {
    match &item.place.statement.kind {
        Kind::Function(it) => Some(it),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What became of everything that is not the same, a line each.
    fn changes(old: &str, new: &str) -> Vec<String> {
        let (old, new) = (Outline::of(old).unwrap(), Outline::of(new).unwrap());
        let mut lines = Vec::new();
        write(&steps(&old, &new), "", &mut lines);
        lines
    }

    fn write(steps: &[Step<'_>], prefix: &str, lines: &mut Vec<String>) {
        for step in steps {
            let placed = step.new.as_ref().or(step.old.as_ref()).unwrap();
            let statement = placed.statement;
            let name = match &statement.kind {
                Kind::Function(it) => format!("def {prefix}{}", it.name),
                Kind::Class(it) => format!("class {prefix}{}", it.name),
                Kind::Block(it) => it.keyword.name().to_owned(),
                Kind::Simple => format!("{prefix}{}", statement.binds.join(" ")),
            };
            if step.fate != Fate::Same {
                let depth = "  ".repeat(placed.blocks.len());
                lines.push(format!("{depth}{} {name}", step.fate.name()).trim_end().to_owned());
            }
            if let Kind::Class(class) = &statement.kind {
                write(&step.inner, &format!("{prefix}{}.", class.name), lines);
            }
        }
    }

    #[test]
    fn comments_and_form_do_not_count() {
        let old = "X = [1, 2]\ndef f(a):\n    return a\n";
        let new = "# a\nX = [1,\n     2]  # b\ndef f(a):\n    # c\n    return (a)\n";
        assert_eq!(changes(old, old), [""; 0]);
        assert_eq!(changes(old, new), ["rewritten X", "rewritten def f"]);
        assert_eq!(changes(old, &format!("\n{old}")), ["moved X", "moved def f"]);
    }

    #[test]
    fn statements_that_mean_the_same_are_never_new() {
        assert_eq!(changes("A = 1\nB = 2\n", "B = 2\nA = 1\n"), ["moved B", "moved A"]);
        assert_eq!(changes("f()\n", "f()\nf()\n"), ["added"]);
        assert_eq!(changes("A = 1\n", "A = 2\n"), ["added A", "removed A"]);
    }

    #[test]
    fn definitions_are_matched_by_name_and_place() {
        let old = "def f(): 1\ndef f(): 2\nclass f: 1\n";
        assert_eq!(changes(old, "def f(): 1\ndef f(): 3\nclass f: 1\n"), ["edited def f"]);
        // One comes in between: those that are the same stay together.
        let new = "def f(): 0\ndef f(): 1\ndef f(): 2\nclass f: 1\n";
        assert_eq!(
            changes(old, new),
            ["added def f", "moved def f", "moved def f", "moved class f", "moved f."]
        );
        assert_eq!(changes("async def f(): 1\n", "def f(): 1\n"), ["edited def f"]);
    }

    #[test]
    fn definitions_of_one_name_are_matched_by_what_is_around_them() {
        let old = "if X:\n    def f(): 1\nelse:\n    def f(): 2\n";
        let new = "if X:\n    def f(): 2\nelse:\n    def f(): 1\n";
        assert_eq!(changes(old, new), ["  edited def f", "  edited def f"]);
        let old = "@a\ndef f(): 1\n@b\ndef f(): 2\n@c\ndef f(): 3\n";
        let new = "@a\ndef f(): 1\n@c\ndef f(): 4\n";
        assert_eq!(changes(old, new), ["edited def f", "removed def f"]);
    }

    #[test]
    fn a_class_is_looked_into() {
        let old = "class A:\n    x = 1\n    def f(self): 1\n    class B:\n        def g(self): 1\n";
        let new = "class A:\n    x = 1\n    def f(self): 2\n    class B:\n        def g(self): 2\n    y = 2\n";
        let expected = [
            "edited class A",
            "edited def A.f",
            "edited class A.B",
            "edited def A.B.g",
            "added A.y",
        ];
        assert_eq!(changes(old, new), expected);
    }

    #[test]
    fn blocks_are_part_of_their_scope() {
        let old = "if X:\n    def f(): 1\n    A = 1\nelse:\n    A = 2\n";
        let new = "if X:\n    def f(): 2\n    A = 1\nelse:\n    A = 3\n";
        assert_eq!(changes(old, new), ["  edited def f", "  added A", "  removed A"]);
        // A definition goes into a block and out of it.
        let new = "try:\n    def f(): 1\nfinally:\n    A = 1\n";
        let expected = ["added try", "  moved A", "removed if", "  removed A"];
        assert_eq!(changes(old, new), expected);
    }

    #[test]
    fn a_statement_in_another_suite_is_another() {
        let old = "if X:\n    A = 1\nelse:\n    A = 2\n";
        let new = "if X:\n    A = 2\nelse:\n    A = 1\n";
        assert_eq!(changes(old, new), ["  added A", "  added A", "  removed A", "  removed A"]);
    }

    #[test]
    fn a_block_that_is_new_or_gone_as_a_whole_is_one_statement() {
        let block = "if X:\n    A = 1\n    if Y:\n        def f(): 1\n";
        assert_eq!(changes("", block), ["added if"]);
        assert_eq!(changes(block, ""), ["removed if"]);
    }

    #[test]
    fn a_loop_is_one_statement_without_its_definitions() {
        let old = "for i in X:\n    def f(): 1\n    a(i)\n    if i: b()\n";
        let new = "for i in X:\n    def f(): 2\n    a(i)\n    if i: b()\n";
        assert_eq!(changes(old, new), ["rewritten for", "  edited def f"]);
        let new = "for i in X:\n    def f(): 1\n    a(i)\n    if i: c()\n";
        assert_eq!(changes(old, new), ["added for", "removed for"]);
    }

    #[test]
    fn a_function_that_has_only_another_name_is_renamed() {
        let old = "def f(a): return a\n";
        assert_eq!(changes(old, "def g(a): return a\n"), ["renamed def g"]);
        assert_eq!(changes(old, "def g(a): return -a\n"), ["added def g", "removed def f"]);
        let two = "def g(a): return a\ndef h(a): return a\n";
        assert_eq!(changes(old, two), ["added def g", "added def h", "removed def f"]);
    }

    #[test]
    fn parts_of_a_function_change_by_themselves() {
        let parts = |text: &str| match Outline::of(text).unwrap().statements.remove(0).kind {
            Kind::Function(it) => it,
            _ => unreachable!(),
        };
        let old = parts("@d\ndef f(a: int, b=1) -> int:\n    return a\n");
        let new = parts("@d\ndef f(a: str, b=2) -> int:\n    return a\n");
        assert_eq!((old.decorators, old.code), (new.decorators, new.code));
        assert_ne!(old.annotations, new.annotations);
        assert_ne!(old.defaults, new.defaults);
        assert_ne!(
            old.decorators,
            parts("@d()\ndef f(a: int, b=1) -> int:\n    return a\n").decorators
        );
        assert_ne!(old.code, parts("@d\ndef f(a: int, /, b=1) -> int:\n    return a\n").code);
    }
}

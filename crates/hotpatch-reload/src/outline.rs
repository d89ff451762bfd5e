//! What a source text consists of: its statements, with what they bind and what they mean.
//!
//! Two statements mean the same if their syntax trees are equal but for positions. Trees are compared by
//! digests, so that an outline is small enough to be kept, and its text need not be parsed again.

use std::collections::HashSet;
use std::ops::Range;

use ruff_python_ast::comparable::{
    ComparableExpr, ComparablePattern, ComparableStmt, ComparableTypeParams, ComparableWithItem,
};
use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};
use ruff_source_file::LineIndex;
use ruff_text_size::{Ranged, TextRange, TextSize};

use crate::binding::{bound_by, imported_by, with_attributes};
use crate::digest::{Digest, digest};
use crate::error::Error;
use crate::extent::Extent;
use crate::reading::{self, Derived, Import};
use crate::stack::on_a_large_stack;

/// The statements of a source text.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Those at the top, in their order.
    pub statements: Vec<Statement>,
    /// The names that are imported at the top, in blocks or not.
    imported: HashSet<String>,
    text: String,
}

/// A statement, and what it consists of.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What kind of statement it is.
    pub kind: Kind,
    /// The first line and the last, from 1. Decorators belong to a definition.
    pub lines: (usize, usize),
    /// Where in the text it is.
    pub extent: Extent,
    /// The names that it binds in its scope, once each.
    pub binds: Vec<String>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// The values that it computes of other names.
    pub derived: Vec<Derived>,
    /// Whether it is the doc string of the module or of a class.
    pub is_doc: bool,
    /// Of what it means.
    pub meaning: Digest,
    /// Of how it is written: of its text, and where in its line that begins.
    pub form: Digest,
}

/// What kind of statement something is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `def` or `async def`.
    Function(Function),
    /// `class`.
    Class(Class),
    /// A statement with suites that are in the same scope as it is itself.
    Block(Block),
    /// Any other.
    Simple,
}

/// A definition of a function, in parts that can change by themselves.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Of its decorators.
    pub decorators: Digest,
    /// Of the default of each parameter that has one.
    pub defaults: Vec<(String, Digest)>,
    /// Of its parameters and its result, as far as they are annotated, and of its type parameters.
    pub annotations: Digest,
    /// Of its parameters and its body.
    pub code: Digest,
}

/// A definition of a class, in parts that can change by themselves.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Of its decorators.
    pub decorators: Digest,
    /// Of its bases, keywords and type parameters.
    pub header: Digest,
    /// The bytes of its type parameters with their brackets.
    pub type_params: Option<Range<usize>>,
    /// The statements of its body.
    pub body: Vec<Statement>,
}

/// A statement with suites.
#[derive(Clone, Debug)]
pub struct Block {
    /// Which.
    pub keyword: Keyword,
    /// Of everything in it but its suites.
    pub header: Digest,
    /// Its suites, in their order.
    pub suites: Vec<Vec<Statement>>,
    /// Whether it is `if __name__ == "__main__":`.
    pub is_main: bool,
}

/// The word that a block begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keyword {
    /// `if`, with its `elif` and `else`.
    If,
    /// `try`, with its handlers, `else` and `finally`.
    Try,
    /// `with` or `async with`.
    With,
    /// `for` or `async for`.
    For,
    /// `while`.
    While,
    /// `match`.
    Match,
}

impl Keyword {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::Try => "try",
            Self::With => "with",
            Self::For => "for",
            Self::While => "while",
            Self::Match => "match",
        }
    }
}

impl Outline {
    /// Reads a source text.
    ///
    /// # Errors
    ///
    /// If it is not Python. CPython may still refuse what this takes.
    pub fn of(text: &str) -> Result<Self, Error> {
        on_a_large_stack(text.len(), || Self::read(text))
    }

    fn read(text: &str) -> Result<Self, Error> {
        let parsed = ruff_python_parser::parse_module(text).map_err(|error| {
            Error::syntax(text, error.location.start().to_usize(), &error.error)
        })?;
        let reader = Reader { text, lines: LineIndex::from_source_text(text) };
        let statements = reader.documented(parsed.suite());
        Ok(Self { statements, imported: imported_by(parsed.suite()), text: text.to_owned() })
    }

    /// The source text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is imported into the scope of the module.
    #[must_use]
    pub fn imports(&self) -> Vec<&Import> {
        let mut found = Vec::new();
        let mut left: Vec<&Statement> = self.statements.iter().rev().collect();
        while let Some(statement) = left.pop() {
            found.extend(&statement.imports);
            if let Kind::Block(block) = &statement.kind {
                left.extend(block.suites.iter().rev().flat_map(|suite| suite.iter().rev()));
            }
        }
        found
    }

    /// The names that the module imports, of those that a statement may have attributes of.
    ///
    /// CPython compiles `a.b()` in another way if the module imports `a`.
    #[must_use]
    pub fn imports_in(&self, extent: &Extent) -> Vec<&str> {
        with_attributes(&self.imported, &self.text[extent.range.clone()])
    }
}

/// Makes an outline.
struct Reader<'a> {
    text: &'a str,
    lines: LineIndex,
}

impl Reader<'_> {
    fn statements(&self, suite: &[Stmt]) -> Vec<Statement> {
        suite.iter().map(|statement| self.statement(statement)).collect()
    }

    /// The statements of a module or a class, whose first may be a doc string.
    fn documented(&self, suite: &[Stmt]) -> Vec<Statement> {
        let mut statements = self.statements(suite);
        if let (Some(first), Some(Stmt::Expr(it))) = (statements.first_mut(), suite.first()) {
            first.is_doc = it.value.is_string_literal_expr();
        }
        statements
    }

    fn statement(&self, statement: &Stmt) -> Statement {
        let range = statement.range();
        let line = self.lines.line_index(range.start());
        let column = range.start() - self.lines.line_start(line, self.text);
        let kind = self.kind(statement);
        let meaning = match &kind {
            Kind::Function(it) => {
                digest(&(&it.name, it.decorators, &it.defaults, it.annotations, it.code))
            }
            Kind::Class(it) => digest(&(&it.name, it.decorators, it.header, meanings(&it.body))),
            Kind::Block(it) => digest(&(
                it.keyword,
                it.header,
                it.suites.iter().map(|suite| meanings(suite)).collect::<Vec<_>>(),
            )),
            Kind::Simple => digest(&ComparableStmt::from(statement)),
        };
        let decorators = match statement {
            Stmt::FunctionDef(it) => it.decorator_list.last(),
            Stmt::ClassDef(it) => it.decorator_list.last(),
            _ => None,
        };
        Statement {
            kind,
            is_doc: false,
            lines: (line.get(), self.lines.line_index(last(range)).get()),
            extent: Extent {
                range: range.into(),
                decorators_end: decorators.map(|it| it.range().end().to_usize()),
            },
            binds: bound_by(statement),
            imports: reading::imports(statement),
            derived: reading::derived(statement),
            meaning,
            form: digest(&(&self.text[range], column.to_u32())),
        }
    }

    fn kind(&self, statement: &Stmt) -> Kind {
        let suites = |suites: &[&[Stmt]]| -> Vec<_> {
            suites.iter().map(|suite| self.statements(suite)).collect()
        };
        let block = |keyword, header, suites, is_main| {
            Kind::Block(Block { keyword, header, suites, is_main })
        };
        match statement {
            Stmt::FunctionDef(it) => Kind::Function(function(it)),
            Stmt::ClassDef(it) => Kind::Class(Class {
                name: it.name.to_string(),
                decorators: decorators(&it.decorator_list),
                header: digest(&(
                    it.type_params.as_deref().map(ComparableTypeParams::from),
                    it.arguments.as_ref().map(|it| {
                        let keywords = it.keywords.iter();
                        let keywords = keywords.map(|it| {
                            (it.arg.as_ref().map(ast::Identifier::as_str), comparable(&it.value))
                        });
                        (
                            it.args.iter().map(comparable).collect::<Vec<_>>(),
                            keywords.collect::<Vec<_>>(),
                        )
                    }),
                )),
                type_params: it.type_params.as_ref().map(|it| it.range.into()),
                body: self.documented(&it.body),
            }),
            Stmt::If(it) => {
                let tests = it.elif_else_clauses.iter();
                let tests: Vec<_> = tests.map(|it| it.test.as_ref().map(comparable)).collect();
                let mut all = vec![&*it.body];
                all.extend(it.elif_else_clauses.iter().map(|it| &*it.body));
                let header = digest(&(comparable(&it.test), tests));
                block(Keyword::If, header, suites(&all), is_main(&it.test))
            }
            Stmt::Try(it) => {
                let handlers: Vec<_> =
                    it.handlers.iter().map(|ExceptHandler::ExceptHandler(it)| it).collect();
                let mut all = vec![&*it.body];
                all.extend(handlers.iter().map(|it| &*it.body));
                all.extend([&*it.orelse, &*it.finalbody]);
                let caught: Vec<_> = handlers
                    .iter()
                    .map(|it| {
                        (
                            it.type_.as_deref().map(comparable),
                            it.name.as_ref().map(ast::Identifier::as_str),
                        )
                    })
                    .collect();
                block(Keyword::Try, digest(&(it.is_star, caught)), suites(&all), false)
            }
            Stmt::With(it) => {
                let items: Vec<_> = it.items.iter().map(ComparableWithItem::from).collect();
                block(Keyword::With, digest(&(it.is_async, items)), suites(&[&it.body]), false)
            }
            Stmt::For(it) => {
                let header = digest(&(it.is_async, comparable(&it.target), comparable(&it.iter)));
                block(Keyword::For, header, suites(&[&it.body, &it.orelse]), false)
            }
            Stmt::While(it) => {
                let header = digest(&comparable(&it.test));
                block(Keyword::While, header, suites(&[&it.body, &it.orelse]), false)
            }
            Stmt::Match(it) => {
                let cases = it.cases.iter();
                let cases: Vec<_> = cases
                    .map(|it| {
                        (ComparablePattern::from(&it.pattern), it.guard.as_deref().map(comparable))
                    })
                    .collect();
                let all: Vec<&[Stmt]> = it.cases.iter().map(|it| &*it.body).collect();
                block(
                    Keyword::Match,
                    digest(&(comparable(&it.subject), cases)),
                    suites(&all),
                    false,
                )
            }
            _ => Kind::Simple,
        }
    }
}

fn function(definition: &ast::StmtFunctionDef) -> Function {
    let parameters = &definition.parameters;
    let each: Vec<_> = parameters.iter().collect();
    let names: Vec<_> = each.iter().map(|it| it.name().as_str()).collect();
    let annotations = each.iter().filter_map(|it| Some((it.name().as_str(), it.annotation()?)));
    let annotations: Vec<_> = annotations.map(|(name, it)| (name, comparable(it))).collect();
    let defaults = parameters.iter_non_variadic_params().filter_map(|it| {
        let default = it.default()?;
        Some((it.parameter.name.to_string(), digest(&comparable(default))))
    });
    let kinds = (
        parameters.posonlyargs.len(),
        parameters.args.len(),
        parameters.vararg.is_some(),
        parameters.kwonlyargs.len(),
        parameters.kwarg.is_some(),
    );
    let body: Vec<_> = definition.body.iter().map(ComparableStmt::from).collect();
    Function {
        name: definition.name.to_string(),
        decorators: decorators(&definition.decorator_list),
        defaults: defaults.collect(),
        annotations: digest(&(
            annotations,
            definition.returns.as_deref().map(comparable),
            definition.type_params.as_deref().map(ComparableTypeParams::from),
        )),
        code: digest(&(definition.is_async, kinds, names, body)),
    }
}

fn comparable(expression: &Expr) -> ComparableExpr<'_> {
    expression.into()
}

fn decorators(decorators: &[ast::Decorator]) -> Digest {
    digest(&decorators.iter().map(|it| comparable(&it.expression)).collect::<Vec<_>>())
}

fn meanings(statements: &[Statement]) -> Vec<Digest> {
    statements.iter().map(|statement| statement.meaning).collect()
}

/// Where the last character of a range is.
fn last(range: TextRange) -> TextSize {
    let one = TextSize::from(u32::from(!range.is_empty()));
    range.end() - one
}

/// Whether a test is `__name__ == "__main__"`, in either order.
fn is_main(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else {
        return false;
    };
    let ([ast::CmpOp::Eq], [right]) = (&*compare.ops, &*compare.comparators) else {
        return false;
    };
    let is_name = |it: &Expr| matches!(it, Expr::Name(name) if name.id == "__name__");
    let is_text =
        |it: &Expr| matches!(it, Expr::StringLiteral(it) if it.value.to_str() == "__main__");
    let left = &*compare.left;
    is_name(left) && is_text(right) || is_text(left) && is_name(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Statement {
        let mut statements = Outline::of(text).unwrap().statements;
        assert_eq!(statements.len(), 1);
        statements.remove(0)
    }

    #[test]
    fn a_statement_knows_its_lines() {
        let outline = Outline::of("\n@d\ndef f():\n    pass\n\nx = 1; y = (\n    2)\n").unwrap();
        let lines: Vec<_> = outline.statements.iter().map(|it| it.lines).collect();
        assert_eq!(lines, [(2, 4), (6, 6), (6, 7)]);
        assert_eq!(outline.lines_of(&outline.statements[0].extent), "@d\ndef f():\n    pass");
        assert_eq!(outline.lines_of(&outline.statements[2].extent), "       y = (\n    2)");
    }

    #[test]
    fn the_main_block_is_known() {
        let is_main = |text: &str| match only(text).kind {
            Kind::Block(block) => block.is_main,
            _ => false,
        };
        assert!(is_main("if __name__ == '__main__':\n    f()\n"));
        assert!(is_main("if '__main__' == __name__: f()\n"));
        assert!(!is_main("if __name__ != '__main__': f()\n"));
        assert!(!is_main("if __name__ == 'm': f()\n"));
    }

    #[test]
    fn what_is_no_python_has_a_line() {
        let error = Outline::of("x = 1\ny = = 2\n").unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.to_string().starts_with("line 2: "));
    }

    #[test]
    fn expressions_can_be_deep() {
        for text in [
            "1 + ".repeat(10_000) + "1",
            "-".repeat(10_000) + "1",
            "f".to_owned() + &"()".repeat(10_000),
        ] {
            Outline::of(&text).unwrap();
        }
    }

    #[test]
    fn a_text_of_any_shape_can_be_read() {
        for text in ["", "\n", "#", "x", "\u{feff}x = 1", "x = 1\r\ny = 2\r\n", "x = 1\ry = 2"] {
            Outline::of(text).unwrap();
        }
    }
}

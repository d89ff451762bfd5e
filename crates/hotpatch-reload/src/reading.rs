//! What a statement takes from elsewhere: from modules, and from other names.

use std::ops::Range;

use ruff_python_ast::{self as ast, Expr, InterpolatedStringElement, Stmt};
use ruff_text_size::Ranged;

/// What is imported from one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The module as it is written, with the dots of a relative import before it.
    pub module: String,
    /// The names that are taken from it, each with what it is called here. None if it is the module itself
    /// that is imported, and `*` for all.
    pub names: Vec<(String, String)>,
}

/// A value that follows from others: it is computed of literals and names by operators and by functions that
/// only compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The name that is bound to it, or the parameter whose default it is.
    pub name: String,
    /// Which bytes of the text say how it is computed.
    pub range: Range<usize>,
    /// The names that it is computed of, at least one.
    pub reads: Vec<String>,
}

/// Functions that compute something immutable of what is immutable.
const PURE_CALLS: [&str; 6] = ["tuple", "frozenset", "str", "int", "float", "len"];

/// What a statement imports.
pub(crate) fn imports(statement: &Stmt) -> Vec<Import> {
    match statement {
        Stmt::Import(it) => {
            let modules = it.names.iter().map(|alias| alias.name.to_string());
            modules.map(|module| Import { module, names: Vec::new() }).collect()
        }
        Stmt::ImportFrom(it) => {
            let name = it.module.as_ref().map_or("", ast::Identifier::as_str);
            let names = it.names.iter().map(|alias| {
                let here = alias.asname.as_ref().unwrap_or(&alias.name);
                (alias.name.to_string(), here.to_string())
            });
            let module = ".".repeat(it.level as usize) + name;
            vec![Import { module, names: names.collect() }]
        }
        _ => Vec::new(),
    }
}

/// The values that a statement computes of other names.
pub(crate) fn derived(statement: &Stmt) -> Vec<Derived> {
    match statement {
        Stmt::Assign(it) => it.targets.iter().filter_map(|to| bound(to, &it.value)).collect(),
        Stmt::AnnAssign(it) => {
            let value = it.value.as_deref();
            value.and_then(|value| bound(&it.target, value)).into_iter().collect()
        }
        Stmt::FunctionDef(it) => {
            let parameters = it.parameters.iter_non_variadic_params();
            parameters.filter_map(|it| of(&it.parameter.name, it.default()?)).collect()
        }
        _ => Vec::new(),
    }
}

fn bound(target: &Expr, value: &Expr) -> Option<Derived> {
    let Expr::Name(name) = target else {
        return None;
    };
    of(&name.id, value)
}

fn of(name: &str, value: &Expr) -> Option<Derived> {
    let mut reads = Vec::new();
    let is_derived = is_pure(value, &mut reads) && !reads.is_empty();
    is_derived.then(|| Derived { name: name.to_owned(), range: value.range().into(), reads })
}

/// Whether all that an expression does is to compute something. Adds the names that it reads.
fn is_pure(expression: &Expr, reads: &mut Vec<String>) -> bool {
    let mut all = |them: &[Expr]| them.iter().all(|it| is_pure(it, reads));
    match expression {
        Expr::Name(it) => {
            if !reads.iter().any(|known| known == it.id.as_str()) {
                reads.push(it.id.to_string());
            }
            true
        }
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::BytesLiteral(_)
        | Expr::BooleanLiteral(_)
        | Expr::NoneLiteral(_)
        | Expr::EllipsisLiteral(_) => true,
        Expr::Tuple(it) => all(&it.elts),
        Expr::BoolOp(it) => all(&it.values),
        Expr::BinOp(it) => is_pure(&it.left, reads) && is_pure(&it.right, reads),
        Expr::UnaryOp(it) => is_pure(&it.operand, reads),
        Expr::Compare(it) => all(&it.comparators) && is_pure(&it.left, reads),
        Expr::If(it) => [&it.test, &it.body, &it.orelse].iter().all(|it| is_pure(it, reads)),
        Expr::Call(it) => {
            let Expr::Name(name) = &*it.func else {
                return false;
            };
            it.arguments.keywords.is_empty()
                && PURE_CALLS.contains(&name.id.as_str())
                && all(&it.arguments.args)
        }
        Expr::FString(it) => it.value.elements().all(|element| match element {
            InterpolatedStringElement::Literal(_) => true,
            InterpolatedStringElement::Interpolation(it) => {
                it.format_spec
                    .as_ref()
                    .is_none_or(|spec| spec.elements.iter().all(|it| it.as_literal().is_some()))
                    && is_pure(&it.expression, reads)
            }
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::Outline;

    #[test]
    fn a_statement_knows_what_it_imports() {
        let imports = |text: &str| {
            let found = Outline::of(text).unwrap().statements.remove(0).imports;
            let written = found.into_iter().map(|it| {
                let names = it.names.iter().map(|(name, here)| format!(" {name}={here}"));
                it.module + &names.collect::<String>()
            });
            written.collect::<Vec<_>>().join("; ")
        };
        assert_eq!(imports("import a.b as c, d"), "a.b; d");
        assert_eq!(imports("from a.b import (c, d as e)"), "a.b c=c d=e");
        assert_eq!(imports("from .. import *"), ".. *=*");
        assert_eq!(imports("from .a import b"), ".a b=b");
        assert_eq!(imports("x = 1"), "");
    }

    #[test]
    fn a_value_that_follows_from_others_is_known() {
        let derived = |text: &str| {
            let found = Outline::of(text).unwrap().statements.remove(0).derived;
            let written = found
                .into_iter()
                .map(|it| format!("{}: {} of {}", it.name, &text[it.range], it.reads.join(" ")));
            written.collect::<Vec<_>>().join("; ")
        };
        assert_eq!(derived("a = b = c + -d * (c, 1)[0]"), "");
        assert_eq!(derived("a = b = c + -d"), "a: c + -d of c d; b: c + -d of c d");
        assert_eq!(
            derived("a: int = len((b, 'x')) if c < 2 else 3"),
            "a: len((b, 'x')) if c < 2 else 3 of c b"
        );
        assert_eq!(derived("a = f'{b:>3} {c!r}'"), "a: f'{b:>3} {c!r}' of b c");
        assert_eq!(derived("a = 1"), "");
        assert_eq!(derived("a = f(b)"), "");
        assert_eq!(derived("a = [b]"), "");
        assert_eq!(derived("a.b = c"), "");
        assert_eq!(derived("def f(a, b=c, *, d=2 * e, g=[]): pass"), "b: c of c; d: 2 * e of e");
    }
}

//! Which names a statement binds.

use std::collections::HashSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, Stmt};

/// The names that a statement binds in its scope.
pub(crate) fn bound_by(statement: &Stmt) -> Vec<String> {
    let mut found = Binding::default();
    found.visit_stmt(statement);
    found.names
}

/// The names that import statements of a module bind, in whatever blocks of it they are.
pub(crate) fn imported_by(suite: &[Stmt]) -> HashSet<String> {
    let mut found = Imports::default();
    found.visit_body(suite);
    found.0
}

/// Finds import statements in the scope in which it looks.
#[derive(Default)]
struct Imports(HashSet<String>);

impl<'a> Visitor<'a> for Imports {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.0.extend(bound_by(statement)),
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
}

/// Those of some names that a text may have attributes of: they stand there before a dot.
pub(crate) fn with_attributes<'n>(names: &'n HashSet<String>, text: &str) -> Vec<&'n str> {
    let is_in_a_name = |it: char| it == '_' || it.is_alphanumeric();
    let mut found = Vec::new();
    for (dot, _) in text.match_indices('.') {
        let before = text[..dot].trim_end();
        let start = before
            .rfind(|it| !is_in_a_name(it))
            .map_or(0, |index| index + before[index..].chars().next().map_or(0, char::len_utf8));
        if let Some(name) = names.get(&before[start..])
            && !found.contains(&name.as_str())
        {
            found.push(name.as_str());
        }
    }
    found
}

/// Finds the names that are bound in the scope in which it looks.
#[derive(Default)]
struct Binding {
    names: Vec<String>,
    /// In how many comprehensions, which have a scope of their own but for `:=`.
    depth: usize,
}

impl Binding {
    fn add(&mut self, name: &str) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }
}

impl<'a> Visitor<'a> for Binding {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(it) => self.add(&it.name),
            Stmt::ClassDef(it) => self.add(&it.name),
            Stmt::Import(it) => {
                for alias in &it.names {
                    let whole = alias.name.as_str();
                    let first = whole.split('.').next().unwrap_or(whole);
                    self.add(alias.asname.as_ref().map_or(first, ast::Identifier::as_str));
                }
            }
            Stmt::ImportFrom(it) => {
                for alias in it.names.iter().filter(|alias| &alias.name != "*") {
                    self.add(alias.asname.as_ref().unwrap_or(&alias.name));
                }
            }
            Stmt::AnnAssign(it) if it.value.is_none() => {}
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Lambda(_) => {}
            Expr::Name(name) if name.ctx.is_store() && self.depth == 0 => self.add(&name.id),
            Expr::Named(it) => {
                if let Expr::Name(name) = &*it.target {
                    self.add(&name.id);
                }
                self.visit_expr(&it.value);
            }
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {
                self.depth += 1;
                visitor::walk_expr(self, expression);
                self.depth -= 1;
            }
            _ => visitor::walk_expr(self, expression),
        }
    }

    fn visit_pattern(&mut self, pattern: &'a ast::Pattern) {
        let name = match pattern {
            ast::Pattern::MatchAs(it) => it.name.as_ref(),
            ast::Pattern::MatchStar(it) => it.name.as_ref(),
            ast::Pattern::MatchMapping(it) => it.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.add(name);
        }
        visitor::walk_pattern(self, pattern);
    }
}

#[cfg(test)]
mod tests {
    use crate::Outline;

    #[test]
    fn a_statement_knows_which_imports_it_may_have_attributes_of() {
        let text = "import a.b\ntry:\n    from c import d as e\nexcept E:\n    e = a.x + e .y + z.a.e\n\
                    def f():\n    import g\n    return g.a, a\n";
        let outline = Outline::of(text).unwrap();
        let found: Vec<_> =
            outline.statements.iter().map(|it| outline.imports_in(&it.extent)).collect();
        assert_eq!(found, [vec!["a"], vec!["a", "e"], vec![]]);
    }

    #[test]
    fn a_statement_knows_what_it_binds() {
        let binds = |text: &str| Outline::of(text).unwrap().statements.remove(0).binds;
        assert_eq!(binds("a, (b, *c) = d[e] = f.g = h"), ["a", "b", "c"]);
        assert_eq!(binds("import a.b, c.d as e"), ["a", "e"]);
        assert_eq!(binds("from a import b, c as d"), ["b", "d"]);
        assert_eq!(binds("x = [y := z for z in (lambda: w)]"), ["y", "x"]);
        assert_eq!(binds("for a in b:\n    c = 1\n    def d(): e = 1\n"), ["a", "c", "d"]);
        assert_eq!(binds("match a:\n    case [b, *c, {**d}] as e: pass\n"), ["e", "b", "c", "d"]);
        assert_eq!(binds("with a as b: pass"), ["b"]);
        assert_eq!(binds("a: int"), [""; 0]);
        assert_eq!(binds("type A = b"), ["A"]);
    }
}

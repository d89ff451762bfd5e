//! Unified diffs of the source text of one function.

use std::fmt::Write;

use diffy::Patch;

use crate::error::Error;

/// Whether a text is a diff and not Python: no line of a program begins like a hunk.
pub(crate) fn is_diff(text: &str) -> bool {
    dedent(text).lines().any(|line| line.starts_with("@@ -"))
}

/// A diff in a form that leaves nothing to guess.
pub(crate) struct Diff {
    text: String,
    /// The line of the old text where it begins.
    first: usize,
}

impl Diff {
    /// # Errors
    ///
    /// `TypeError` if it is no diff, or one that could fit in any place.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = count_anew(&dedent(text))?;
        let patch = Patch::from_str(&text).map_err(|error| refused(&error.to_string()))?;
        let hunks = patch.hunks();
        let Some(first) = hunks.first() else {
            return Err(refused("it has no hunk"));
        };
        let is_placed = |line: &_| !matches!(line, diffy::Line::Insert(_));
        if !hunks.iter().all(|hunk| hunk.lines().iter().any(is_placed)) {
            return Err(refused("it has a hunk without any line of the old text"));
        }
        let first = first.old_range().start();
        Ok(Self { text, first })
    }

    /// Applies it to `source`.
    ///
    /// It may have been made of these lines, of these without the indentation that they share, or of the whole
    /// file. Every line that it names has to be there, and it can change nothing outside of `source`.
    ///
    /// The error says what does not fit.
    pub(crate) fn apply(&self, source: &Source) -> Result<String, String> {
        let Source { above, text, below } = source;
        let patch = Patch::from_str(&self.text).map_err(|error| error.to_string())?;
        let dedented = dedent(text);
        let of_lines =
            || [text, &dedented].into_iter().find_map(|text| diffy::apply(text, &patch).ok());
        let file = format!("{above}{text}{below}");
        let of_file = || diffy::apply(&file, &patch).ok();
        // Where several places fit, the numbers of the lines decide.
        let is_of_file = self.first > text.lines().count();
        let changed_file = if is_of_file { of_file() } else { None };
        if changed_file.is_none()
            && let Some(text) = of_lines()
        {
            return Ok(text);
        }
        if let Some(changed) = changed_file.or_else(of_file) {
            let inside = changed.strip_prefix(above).and_then(|rest| rest.strip_suffix(below));
            let why = "it changes lines outside of the function";
            return inside.map(str::to_owned).ok_or_else(|| why.to_owned());
        }
        let is_there =
            |line: &str| [&file, &dedented].iter().any(|text| text.lines().any(|it| it == line));
        for (index, hunk) in patch.hunks().iter().enumerate() {
            for line in hunk.lines() {
                if let diffy::Line::Context(line) | diffy::Line::Delete(line) = line
                    && !is_there(line.trim_end_matches(['\r', '\n']))
                {
                    let (number, line) = (index + 1, line.trim_end());
                    return Err(format!("hunk {number} has the line {line:?}, which is not there"));
                }
            }
        }
        Err("the lines that it has do not stand together there".to_owned())
    }
}

/// The source text of a function, and what stands above and below it in its file.
pub(crate) struct Source {
    pub(crate) above: String,
    pub(crate) text: String,
    pub(crate) below: String,
}

fn refused(why: &str) -> Error {
    Error::argument(format!(
        "this diff cannot be applied: {why}; make a unified diff of the source text of the target, \
         with some lines of context"
    ))
}

/// The text without the indentation of its first line.
fn dedent(text: &str) -> String {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let indentation = &first[..first.len() - first.trim_start_matches([' ', '\t']).len()];
    let dedented = text.split_inclusive('\n').map(|line| {
        line.strip_prefix(indentation).unwrap_or_else(|| line.trim_start_matches([' ', '\t']))
    });
    dedented.collect()
}

/// The hunks with the numbers of lines that they have: hand-written ones are often wrong, and editors take
/// the blank off an empty line.
fn count_anew(text: &str) -> Result<String, Error> {
    let lines: Vec<_> = text.trim_end().lines().collect();
    let mut starts: Vec<_> = (0..lines.len()).filter(|at| lines[*at].starts_with("@@ -")).collect();
    let mut result = String::new();
    for line in &lines[..starts.first().copied().unwrap_or(lines.len())] {
        if line.starts_with("--- ") || line.starts_with("+++ ") {
            result.push_str(line);
            result.push('\n');
        }
    }
    starts.push(lines.len());
    for range in starts.windows(2) {
        let (header, body) = (lines[range[0]], &lines[range[0] + 1..range[1]]);
        let (mut old, mut new, mut written) = (0, 0, String::new());
        for line in body {
            match line.chars().next() {
                None | Some(' ') => (old, new) = (old + 1, new + 1),
                Some('-') => old += 1,
                Some('+') => new += 1,
                Some('\\') => continue, // the last line always ends in a new line here
                _ => return Err(refused(&format!("{line:?} is no line of a hunk"))),
            }
            written.push_str(if line.is_empty() { " " } else { line });
            written.push('\n');
        }
        let mut numbers = header.split(' ').skip(1).map(|part| {
            let number = part.trim_start_matches(['-', '+']);
            number.split(',').next().and_then(|number| number.parse::<usize>().ok())
        });
        let (Some(Some(old_start)), Some(Some(new_start))) = (numbers.next(), numbers.next())
        else {
            return Err(refused(&format!("{header:?} is no head of a hunk")));
        };
        let _ = write!(result, "@@ -{old_start},{old} +{new_start},{new} @@\n{written}");
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "    def f(self):\n        x = 1\n\n        return x\n";

    fn source(lines_above: usize, text: &str) -> Source {
        let above = "pass\n".repeat(lines_above) + "class C:\n";
        Source { above, text: text.to_owned(), below: "end = 1\n".to_owned() }
    }

    fn apply(diff: &str) -> Result<String, String> {
        Diff::parse(diff).map_err(|error| error.to_string())?.apply(&source(39, SOURCE))
    }

    #[test]
    fn it_fits_the_lines_with_and_without_their_indentation() {
        let of_lines = "@@ -1,2 +1,2 @@\n def f(self):\n-    x = 1\n+    x = 2\n";
        assert_eq!(apply(of_lines).unwrap(), "def f(self):\n    x = 2\n\n    return x\n");
        let of_file = "@@ -42,3 +42,3 @@\n-        x = 1\n+        x = 2\n\n         return x\n";
        assert_eq!(apply(of_file).unwrap(), SOURCE.replace("x = 1", "x = 2"));
        let with_context =
            "@@ -40,3 +40,3 @@\n class C:\n     def f(self):\n-        x = 1\n+        x = 2";
        assert_eq!(apply(with_context).unwrap(), SOURCE.replace("x = 1", "x = 2"));
        let outside = "@@ -40,2 +40,2 @@\n-class C:\n+class D:\n     def f(self):\n";
        assert_eq!(apply(outside).unwrap_err(), "it changes lines outside of the function");
    }

    #[test]
    fn it_may_be_indented_and_count_wrongly() {
        let diff =
            "\n    --- a.py\n    +++ b.py\n    @@ -2,9 +7 @@\n    -    x = 1\n    +    x = 2\n    ";
        assert!(is_diff(diff));
        assert!(apply(diff).unwrap().contains("x = 2"));
    }

    #[test]
    fn the_numbers_of_lines_decide_between_places_that_fit() {
        let source = source(99, "def f():\n    a()\n    a()\n    a()\n");
        let diff = |line| format!("@@ -{line} +{line} @@\n-    a()\n+    b()\n");
        let changed = |line| {
            let text = Diff::parse(&diff(line)).unwrap().apply(&source).unwrap();
            text.lines().position(|line| line == "    b()").unwrap()
        };
        assert_eq!([2, 3, 4, 102, 103, 104].map(changed), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn lines_that_are_not_there_are_named() {
        let diff = "@@ -1,2 +1,2 @@\n def f(self):\n-    x = 3\n+    x = 2\n";
        assert_eq!(
            apply(diff).unwrap_err(),
            "hunk 1 has the line \"    x = 3\", which is not there"
        );
        let swapped = "@@ -1,2 +1,2 @@\n     x = 1\n-def f(self):\n+def g(self):\n";
        assert_eq!(
            apply(swapped).unwrap_err(),
            "the lines that it has do not stand together there"
        );
    }

    #[test]
    fn what_is_no_diff_is_refused() {
        assert!(!is_diff("def f():\n    return 1 @ 2"));
        for text in ["@@ -1 +1 @@\n+new", "@@ -x +y @@\n-a", "@@ -1 +1 @@\nno", "@@ -1 +1 @@"] {
            assert!(Diff::parse(text).is_err(), "{text}");
        }
    }
}

//! Where in a text a statement is, and what stands there.

use std::ops::Range;

use crate::outline::Outline;

/// Where in a text a statement is.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Which bytes of the text it takes.
    pub range: Range<usize>,
    /// Where the decorators of a definition end, if it has some.
    pub decorators_end: Option<usize>,
}

impl Outline {
    /// The text of a definition as [`Self::lines_of`] gives it, with empty lines in the place of decorators.
    #[must_use]
    pub fn undecorated(&self, extent: &Extent) -> String {
        let text = self.lines_of(extent);
        let has_none =
            |line: &str| line.trim_start().starts_with(['@', '#']) || line.trim().is_empty();
        let Some(end) = extent.decorators_end.map(|end| end - extent.range.start) else {
            return text;
        };
        // Before the first of them there is nothing but the indentation.
        let end = end + text.len() - extent.range.len();
        let rest = text[end..].split_inclusive('\n').skip(1).skip_while(|line| has_none(line));
        let rest: String = rest.collect();
        let above = text.matches('\n').count() - rest.matches('\n').count();
        "\n".repeat(above) + &rest
    }

    /// The text of a statement as it stands in its lines: spaces stand for other statements in the first.
    #[must_use]
    pub fn lines_of(&self, extent: &Extent) -> String {
        let (before, after) = self.text().split_at(extent.range.start);
        let first = before.rfind(['\n', '\r']).map_or(0, |end| end + 1);
        let spaces = before[first..].chars().map(|it| if it == '\t' { it } else { ' ' });
        spaces.chain(after[..extent.range.len()].chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Outline};

    #[test]
    fn decorators_can_be_left_out() {
        let text = "class A:\n    @d(\n    )  # def\n\n    # def\n    @e\n    async def f(self):\n        @g\n        def h(): 1\n";
        let outline = Outline::of(text).unwrap();
        let Kind::Class(class) = &outline.statements[0].kind else { unreachable!() };
        let expected = "\n\n\n\n\n    async def f(self):\n        @g\n        def h(): 1";
        assert_eq!(outline.undecorated(&class.body[0].extent), expected);
        assert_eq!(outline.undecorated(&outline.statements[0].extent), text.trim_end());
    }
}

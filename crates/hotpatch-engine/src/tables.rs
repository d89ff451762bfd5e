//! The tables of code objects that say which line an instruction is from, and who handles its exceptions.
//!
//! Their forms: `Objects/lnotab_notes.txt` in 3.10, and since 3.11 `Objects/locations.md` and
//! `Objects/exception_handling_notes.txt` (`InternalDocs/code_objects.md` and
//! `InternalDocs/exception_handling.md` since 3.13).

/// The table of lines for code with `before` units in front, which have no line, and `after` units at its
/// end, which have the first line of the function. `None` if the table makes no sense.
pub(crate) fn around(table: &[u8], before: usize, after: usize) -> Option<Vec<u8>> {
    if cfg!(Py_3_11) {
        locations_around(table, before, after)
    } else {
        lines_around(table, before, after)
    }
}

/// A table for so many units without a line.
pub(crate) fn without_lines(units: usize) -> Vec<u8> {
    locations(units, None)
}

/// 3.10: pairs of how many bytes and how many lines further, -128 for no line.
fn lines_around(table: &[u8], before: usize, after: usize) -> Option<Vec<u8>> {
    const NO_LINE: i8 = -128;
    let mut new = vec![u8::try_from(2 * before).ok()?, NO_LINE.cast_unsigned()];
    new.extend(table);
    let advances = table.chunks_exact(2).map(|pair| pair[1].cast_signed());
    let mut back = -advances.filter(|it| *it != NO_LINE).map(i32::from).sum::<i32>();
    while back.abs() > 127 {
        let step = back.clamp(-127, 127);
        new.extend([0, i8::try_from(step).ok()?.cast_unsigned()]);
        back -= step;
    }
    let mut left = 2 * after;
    while left > 0 {
        let bytes = left.min(254);
        new.extend([u8::try_from(bytes).ok()?, i8::try_from(back).ok()?.cast_unsigned()]);
        (left, back) = (left - bytes, 0);
    }
    Some(new)
}

/// 3.11: entries for up to eight units. The form stands in the first byte.
fn locations_around(table: &[u8], before: usize, after: usize) -> Option<Vec<u8>> {
    let mut lines = 0;
    let mut bytes = table.iter().copied();
    while let Some(first) = bytes.next() {
        let skipped = match first >> 3 & 15 {
            15 => 0,
            14 => {
                lines += signed(number(&mut bytes)?);
                for _ in 0..3 {
                    number(&mut bytes)?;
                }
                0
            }
            13 => {
                lines += signed(number(&mut bytes)?);
                0
            }
            form @ 10.. => {
                lines += i64::from(form) - 10;
                2
            }
            _ => 1,
        };
        for _ in 0..skipped {
            bytes.next()?;
        }
    }
    Some([locations(before, None), table.to_vec(), locations(after, Some(-lines))].concat())
}

/// Entries for so many units, so many lines further, or without a line; none has a column.
fn locations(units: usize, mut lines: Option<i64>) -> Vec<u8> {
    let mut table = Vec::new();
    for first in (0..units).step_by(8) {
        let form = if lines.is_some() { 13 } else { 15 };
        let length = u8::try_from((units - first).min(8)).unwrap_or(8);
        table.push(0x80 | form << 3 | (length - 1));
        if let Some(further) = &mut lines {
            let mut rest = further.unsigned_abs() << 1 | u64::from(*further < 0);
            while rest >= 64 {
                table.push(0x40 | chunk(rest));
                rest >>= 6;
            }
            table.push(chunk(rest));
            *further = 0;
        }
    }
    table
}

/// The lowest six bits.
fn chunk(number: u64) -> u8 {
    u8::try_from(number & 63).unwrap_or_default()
}

/// A number of six bits in a byte, the lowest first.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes.next()?;
        value |= i64::from(byte & 63).checked_shl(shift)?;
        if byte & 64 == 0 {
            return Some(value);
        }
        shift += 6;
    }
}

/// The lowest bit is the sign.
fn signed(value: i64) -> i64 {
    if value & 1 == 1 { -(value >> 1) } else { value >> 1 }
}

/// 3.11: the table of exception handlers, for code behind `units` others. Each entry has four numbers of six
/// bits in a byte, the highest first: start, length, handler, and depth with a flag. `None` if it makes no sense.
pub(crate) fn moved(table: &[u8], units: usize) -> Option<Vec<u8>> {
    let mut new = Vec::new();
    let mut bytes = table.iter().copied().peekable();
    while bytes.peek().is_some() {
        for place in 0..4 {
            let mut value = 0;
            loop {
                let byte = bytes.next()?;
                value = value << 6 | u64::from(byte & 63);
                if byte & 64 == 0 {
                    break;
                }
            }
            if place == 0 || place == 2 {
                value += u64::try_from(units).ok()?;
            }
            let is_first = new.len();
            let chunks = (0..).map_while(|at| {
                let rest = value >> (6 * at);
                (at == 0 || rest > 0).then(|| chunk(rest))
            });
            let chunks: Vec<_> = chunks.collect();
            for (at, chunk) in chunks.iter().enumerate().rev() {
                new.push(if at > 0 { chunk | 64 } else { *chunk });
            }
            if place == 0 {
                new[is_first] |= 0x80;
            }
        }
    }
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lines an entry of form 13 or 15 goes further.
    fn entries(table: &[u8]) -> Vec<(u8, u8, Option<i64>)> {
        let mut bytes = table.iter().copied();
        let mut found = Vec::new();
        while let Some(first) = bytes.next() {
            let form = first >> 3 & 15;
            let further = (form == 13).then(|| signed(number(&mut bytes).unwrap()));
            found.push((form, (first & 7) + 1, further));
        }
        found
    }

    #[test]
    fn locations_are_split_and_only_the_first_goes_further() {
        assert_eq!(entries(&locations(3, None)), [(15, 3, None)]);
        let expected = [(13, 8, Some(-4000)), (13, 8, Some(0)), (13, 1, Some(0))];
        assert_eq!(entries(&locations(17, Some(-4000))), expected);
        assert_eq!(entries(&locations(1, Some(31))), [(13, 1, Some(31))]);
        assert!(locations(0, Some(1)).is_empty());
    }

    #[test]
    fn what_comes_after_has_the_first_line_again() {
        // Forms: short, one line with columns, two numbers, all numbers, none.
        let table = [
            [0x80, 0].as_slice(),
            &[0x80 | 11 << 3, 0, 0],
            &[0x80 | 13 << 3, 0x40 | 0x14, 2],
            &[0x80 | 14 << 3, 5, 0, 0, 0],
            &[0x80 | 15 << 3],
        ]
        .concat();
        let lines = 1 + ((0x14 + (2 << 6)) >> 1) - 2;
        let new = locations_around(&table, 2, 1).unwrap();
        let (front, rest) = new.split_at(1);
        assert_eq!(entries(front), [(15, 2, None)]);
        assert_eq!(rest[..table.len()], table);
        assert_eq!(entries(&rest[table.len()..]), [(13, 1, Some(-lines))]);
        assert!(locations_around(&table[..table.len() - 2], 2, 1).is_none());
    }

    #[test]
    fn lines_of_3_10_are_pairs() {
        let table = [4, 100, 2, 0x80, 6, 100, 0, 100, 2, 0xff];
        let new = lines_around(&table, 4, 200).unwrap();
        assert_eq!(new[..2], [8, 0x80]);
        assert_eq!(new[2..12], table);
        let back = new[12..].chunks_exact(2).map(|pair| i32::from(pair[1].cast_signed()));
        assert_eq!(back.sum::<i32>(), -299);
        let bytes = new[12..].chunks_exact(2).map(|pair| u32::from(pair[0]));
        assert_eq!(bytes.sum::<u32>(), 400);
        assert!(new[12..].chunks_exact(2).all(|pair| pair[1] != 0x80));
    }

    #[test]
    fn handlers_move_with_the_code() {
        // From 3, 70 long, to 62, at depth 5.
        let table = [0x80 | 3, 0x40 | 1, 6, 62, 5, 0x80, 1, 2, 3];
        let moved_by = |units| moved(&table, units).unwrap();
        assert_eq!(moved_by(0), table);
        assert_eq!(moved_by(4), [0x80 | 7, 0x40 | 1, 6, 0x40 | 1, 2, 5, 0x80 | 4, 1, 6, 3]);
        assert_eq!(moved_by(100)[..2], [0x80 | 0x40 | 1, 39]);
        assert!(moved(&table[..3], 1).is_none());
        assert!(moved(&[], 5).unwrap().is_empty());
    }
}

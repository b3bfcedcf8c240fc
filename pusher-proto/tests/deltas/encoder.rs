//! Encoders of both formats that use as much of them as they can, by choice: the shortest delta is not what tests need.
//!
//! `choose(n)` returns a number below `n`, which is never 0.

/// Encodes `target` as a Fossil delta.
pub(crate) fn fossil(base: &[u8], target: &[u8], choose: &mut dyn FnMut(usize) -> usize) -> Vec<u8> {
    let mut delta = fossil_number(target.len());
    delta.push(b'\n');
    let mut at = 0;
    while at < target.len() {
        let rest = &target[at..];
        match same(base, rest, choose) {
            Some((from, len)) if choose(4) > 0 => {
                delta.extend([fossil_number(len), b"@".to_vec(), fossil_number(from), b",".to_vec()].concat());
                at += len;
            }
            _ => {
                let len = 1 + choose(rest.len().min(40));
                delta.extend([&fossil_number(len), &b":"[..], &rest[..len]].concat());
                at += len;
            }
        }
    }
    let mut sum = 0_u32;
    for (at, byte) in target.iter().enumerate() {
        sum = sum.wrapping_add(u32::from(*byte) << (24 - 8 * (at % 4)));
    }
    delta.extend(fossil_number(sum as usize));
    delta.push(b';');
    delta
}

pub(crate) fn fossil_number(mut number: usize) -> Vec<u8> {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    let mut text = Vec::new();
    loop {
        text.insert(0, digits[number % 64]);
        number /= 64;
        if number == 0 {
            return text;
        }
    }
}

/// A place where `text` continues like `wanted`, and for how many bytes.
fn same(text: &[u8], wanted: &[u8], choose: &mut dyn FnMut(usize) -> usize) -> Option<(usize, usize)> {
    if text.is_empty() {
        return None;
    }
    let first = choose(text.len());
    let from = (first..text.len()).chain(0..first).find(|from| text[*from] == wanted[0])?;
    let longest = text[from..].iter().zip(wanted).take_while(|(one, other)| one == other).count();
    Some((from, if choose(2) > 0 { longest } else { 1 + choose(longest) }))
}

/// Encodes `target` as VCDIFF, in one to three windows.
pub(crate) fn vcdiff(base: &[u8], target: &[u8], choose: &mut dyn FnMut(usize) -> usize) -> Vec<u8> {
    let mut delta = vec![0xd6, 0xc3, 0xc4, 0];
    delta.extend(if choose(2) > 0 { vec![0] } else { b"\x04\x03app".to_vec() });
    let mut at = 0;
    for _ in 0..choose(3) {
        let end = at + choose(target.len() - at + 1);
        window(base, &target[..at], &target[at..end], choose, &mut delta);
        at = end;
    }
    window(base, &target[..at], &target[at..], choose, &mut delta);
    delta
}

fn window(base: &[u8], written: &[u8], target: &[u8], choose: &mut dyn FnMut(usize) -> usize, delta: &mut Vec<u8>) {
    let (kind, source) = [(0, &[][..]), (1, base), (2, written)][choose(3)];
    let has_sum = choose(2) > 0;
    delta.push(kind + if has_sum { 4 } else { 0 });
    let start = choose(source.len() + 1);
    let segment = &source[start..start + choose(source.len() - start + 1)];
    if kind > 0 {
        delta.extend([number(segment.len()), number(start)].concat());
    }
    let mut sections = Sections { here: segment.len(), ..Sections::default() };
    let both = [segment, target].concat();
    while sections.here < both.len() {
        sections.add_operation(&both, choose);
    }
    let code = sections.code(choose);
    let lens = [sections.data.len(), code.len(), sections.addresses.len()].map(number).concat();
    let sum = if has_sum { adler32(target).to_be_bytes().to_vec() } else { vec![] };
    let body = [number(target.len()), vec![0], lens, sum, sections.data, code, sections.addresses].concat();
    delta.extend([number(body.len()), body].concat());
}

/// Add (1), run (2) or copy (3), the size, and the mode of a copy.
type Operation = (u8, usize, usize);

struct Sections {
    here: usize,
    operations: Vec<Operation>,
    data: Vec<u8>,
    addresses: Vec<u8>,
    near: [usize; 4],
    copies: usize,
    same: Vec<usize>,
}

impl Default for Sections {
    fn default() -> Self {
        let (near, same) = ([0; 4], vec![0; 768]);
        Self { here: 0, operations: vec![], data: vec![], addresses: vec![], near, copies: 0, same }
    }
}

impl Sections {
    fn add_operation(&mut self, both: &[u8], choose: &mut dyn FnMut(usize) -> usize) {
        let rest = &both[self.here..];
        let run = rest.iter().take_while(|byte| **byte == rest[0]).count();
        let operation = match same(both, rest, choose) {
            Some((from, len)) if from < self.here && choose(4) > 0 => (3, len, self.add_address(from, choose)),
            _ if run > 2 => {
                self.data.push(rest[0]);
                (2, run, 0)
            }
            _ => {
                let len = 1 + choose(rest.len().min(25));
                self.data.extend(&rest[..len]);
                (1, len, 0)
            }
        };
        self.here += operation.1;
        self.operations.push(operation);
    }

    /// Writes an address in one of the modes that can express it. Returns the mode.
    fn add_address(&mut self, address: usize, choose: &mut dyn FnMut(usize) -> usize) -> usize {
        let mut forms = vec![(0, number(address)), (1, number(self.here - address))];
        for (index, near) in self.near.iter().enumerate().filter(|(_, near)| **near <= address) {
            forms.push((2 + index, number(address - near)));
        }
        if self.same[address % 768] == address {
            forms.push((6 + address % 768 / 256, vec![(address % 256) as u8]));
        }
        let (mode, bytes) = forms.swap_remove(choose(forms.len()));
        self.addresses.extend(bytes);
        self.near[self.copies % 4] = address;
        self.same[address % 768] = address;
        self.copies += 1;
        mode
    }

    fn code(&self, choose: &mut dyn FnMut(usize) -> usize) -> Vec<u8> {
        let table = table();
        let mut code = vec![];
        let mut rest = &self.operations[..];
        while let Some((first, behind)) = rest.split_first() {
            let find = |entry: (Operation, Option<Operation>)| table.iter().position(|other| *other == entry);
            let pair = behind.first().and_then(|second| find((*first, Some(*second))));
            let single = find((*first, None));
            let open = find(((first.0, 0, first.2), None)).expect("each operation has an entry without a size");
            match (pair, single) {
                (Some(pair), _) if choose(2) > 0 => {
                    code.push(pair as u8);
                    rest = &behind[1..];
                }
                (_, Some(single)) if choose(2) > 0 => {
                    code.push(single as u8);
                    rest = behind;
                }
                _ => {
                    code.push(open as u8);
                    code.extend(number(first.1));
                    rest = behind;
                }
            }
        }
        code
    }
}

/// The default code table.
fn table() -> Vec<(Operation, Option<Operation>)> {
    let mut table = vec![((2, 0, 0), None)];
    table.extend((0..=17).map(|size| ((1, size, 0), None)));
    for mode in 0..9 {
        table.push(((3, 0, mode), None));
        table.extend((4..=18).map(|size| ((3, size, mode), None)));
    }
    for mode in 0..9 {
        for add in 1..=4 {
            let longest = if mode < 6 { 6 } else { 4 };
            table.extend((4..=longest).map(|copy| ((1, add, 0), Some((3, copy, mode)))));
        }
    }
    table.extend((0..9).map(|mode| ((3, 4, mode), Some((1, 1, 0)))));
    table
}

pub(crate) fn number(number: usize) -> Vec<u8> {
    let mut bytes = vec![(number % 128) as u8];
    let mut rest = number / 128;
    while rest > 0 {
        bytes.insert(0, (rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    bytes
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1, 0);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

//! Writes small MaxMind databases, by the format's specification 2.0 (maxmind.github.io/MaxMind-DB), so that no
//! licensed file is needed: records of 24 bits, IPv4 or IPv6, one data entry a network.

use ipnet::IpNet;

/// A value of the data section.
pub(crate) enum Value {
    Text(&'static str),
    Number(u32),
    Map(Vec<(&'static str, Value)>),
}

pub(crate) const BUILT: u64 = 1_767_225_600;

/// A database of these networks.
pub(crate) fn database(ip_version: u16, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut nodes: Vec<[Child; 2]> = vec![[Child::Empty; 2]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let offset = data.len();
        encode(value, &mut data);
        insert(&mut nodes, &bits(network.parse().unwrap(), ip_version), offset);
    }
    let mut bytes = Vec::new();
    for child in nodes.iter().flatten() {
        let record = match child {
            Child::Empty => nodes.len(),
            Child::Node(index) => *index,
            Child::Data(offset) => nodes.len() + 16 + offset,
        };
        bytes.extend_from_slice(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    metadata(&mut bytes, nodes.len(), ip_version);
    bytes
}

#[derive(Clone, Copy)]
enum Child {
    Empty,
    Node(usize),
    Data(usize),
}

/// The bits of the prefix; IPv4 in a database of IPv6 lies under ::/96.
fn bits(network: IpNet, ip_version: u16) -> Vec<bool> {
    let (address, width, length) = match network {
        IpNet::V4(v4) => (u128::from(u32::from(v4.addr())), 32, v4.prefix_len()),
        IpNet::V6(v6) => (u128::from(v6.addr()), 128, v6.prefix_len()),
    };
    let zeros = if width == 32 && ip_version == 6 { 96 } else { 0 };
    let own = (0..u32::from(length)).map(|bit| (address >> (width - 1 - bit)) & 1 == 1);
    std::iter::repeat_n(false, zeros).chain(own).collect()
}

fn insert(nodes: &mut Vec<[Child; 2]>, bits: &[bool], offset: usize) {
    let mut at = 0;
    for (depth, bit) in bits.iter().enumerate() {
        let side = usize::from(*bit);
        if depth + 1 == bits.len() {
            nodes[at][side] = Child::Data(offset);
            return;
        }
        at = match nodes[at][side] {
            Child::Node(next) => next,
            Child::Empty | Child::Data(_) => {
                nodes.push([Child::Empty; 2]);
                let next = nodes.len() - 1;
                nodes[at][side] = Child::Node(next);
                next
            }
        };
    }
}

fn encode(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            control(2, text.len(), to);
            to.extend_from_slice(text.as_bytes());
        }
        Value::Number(number) => {
            control(6, 4, to);
            to.extend_from_slice(&number.to_be_bytes());
        }
        Value::Map(entries) => {
            control(7, entries.len(), to);
            for (key, value) in entries {
                encode(&Value::Text(key), to);
                encode(value, to);
            }
        }
    }
}

/// A control byte, the kind's second byte where it is above 7, and the size's where it is above 28.
fn control(kind: u8, size: usize, to: &mut Vec<u8>) {
    let size = u8::try_from(size).unwrap();
    let short = size.min(29);
    if kind < 8 {
        to.push((kind << 5) | short);
    } else {
        to.extend_from_slice(&[short, kind - 7]);
    }
    if short == 29 {
        to.push(size - 29);
    }
}

fn metadata(to: &mut Vec<u8>, nodes: usize, ip_version: u16) {
    control(7, 9, to);
    let mut number = |key: &'static str, kind: u8, bytes: &[u8]| {
        encode(&Value::Text(key), to);
        control(kind, bytes.len(), to);
        to.extend_from_slice(bytes);
    };
    number("binary_format_major_version", 5, &2_u16.to_be_bytes());
    number("binary_format_minor_version", 5, &0_u16.to_be_bytes());
    number("build_epoch", 9, &BUILT.to_be_bytes());
    number("ip_version", 5, &ip_version.to_be_bytes());
    number("node_count", 6, &u32::try_from(nodes).unwrap().to_be_bytes());
    number("record_size", 5, &24_u16.to_be_bytes());
    number("database_type", 2, b"Weir-Test");
    encode(&Value::Text("description"), to);
    control(7, 0, to);
    encode(&Value::Text("languages"), to);
    control(11, 0, to);
}

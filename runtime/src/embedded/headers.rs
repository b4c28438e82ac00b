//! Headers in one column: for each, the name and the value, each after its length in 4 bytes, little endian. No
//! headers: no column.

use bytes::{Buf as _, BufMut as _, Bytes};
use pipeline::LogError;

use super::failure::damaged;

pub(super) fn encode(headers: &[(String, Bytes)]) -> Result<Option<Vec<u8>>, LogError> {
    if headers.is_empty() {
        return Ok(None);
    }
    let mut out = Vec::new();
    for part in headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
        let length =
            u32::try_from(part.len()).map_err(|_| LogError::Unusable("a header over 4 GiB".to_owned()))?;
        out.put_u32_le(length);
        out.put_slice(part);
    }
    Ok(Some(out))
}

pub(super) fn decode(column: Option<Vec<u8>>) -> Result<Vec<(String, Bytes)>, LogError> {
    let mut rest = Bytes::from(column.unwrap_or_default());
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let name = String::from_utf8(part(&mut rest)?.into()).map_err(|_| damaged("a header's name"))?;
        headers.push((name, part(&mut rest)?));
    }
    Ok(headers)
}

fn part(rest: &mut Bytes) -> Result<Bytes, LogError> {
    let cut = || damaged("headers are cut short");
    let length = usize::try_from(rest.try_get_u32_le().map_err(|_| cut())?).map_err(|_| cut())?;
    if length > rest.len() {
        return Err(cut());
    }
    Ok(rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        let given = vec![
            ("a".to_owned(), Bytes::from_static(b"1")),
            ("a".to_owned(), Bytes::new()),
            (String::new(), Bytes::from_static(b"\x00\xff")),
        ];
        assert_eq!(decode(encode(&given).unwrap()).unwrap(), given);
        assert_eq!(encode(&[]).unwrap(), None);
        assert_eq!(decode(None).unwrap(), []);
    }

    #[test]
    fn damaged_headers_are_told_and_never_panic() {
        let whole = encode(&[("name".to_owned(), Bytes::from_static(b"value"))]).unwrap().unwrap();
        for length in 1..whole.len() {
            assert!(
                matches!(decode(Some(whole[..length].to_vec())), Err(LogError::Unusable(_))),
                "{length} bytes"
            );
        }
        assert!(
            decode(Some(b"\x01\x00\x00\x00\xff\x00\x00\x00\x00".to_vec())).is_err(),
            "a name that is no text"
        );
        assert!(decode(Some(vec![0xff; 16])).is_err());
    }
}

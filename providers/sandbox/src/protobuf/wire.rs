//! The encoding: numbered fields, each a number or bytes.

/// These bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire<'b> {
    Number(u64),
    Bytes(&'b [u8]),
    /// Eight or four bytes, in which no kind of Kubernetes has anything that is taken.
    Fixed,
}

impl<'b> Wire<'b> {
    pub(super) fn bytes(self) -> Result<&'b [u8], Malformed> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    pub(super) fn text(self) -> Result<&'b str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// Negative numbers are sent as their two's complement in 64 bits.
    pub(super) fn number(self) -> Result<i64, Malformed> {
        if let Self::Number(number) = self { Ok(number.cast_signed()) } else { Err(Malformed) }
    }
}

/// The fields of a message, in the order in which they were written. After an error there are no more.
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = Result<(u32, Wire<'_>), Malformed>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = field(&mut rest);
        if read.is_err() {
            rest = &[];
        }
        Some(read)
    })
}

fn field<'b>(rest: &mut &'b [u8]) -> Result<(u32, Wire<'b>), Malformed> {
    let key = varint(rest)?;
    let number = u32::try_from(key >> 3).map_err(|_| Malformed)?;
    let wire = match key & 7 {
        0 => Wire::Number(varint(rest)?),
        1 => take(rest, 8).map(|_| Wire::Fixed)?,
        2 => {
            let length = usize::try_from(varint(rest)?).map_err(|_| Malformed)?;
            Wire::Bytes(take(rest, length)?)
        }
        5 => take(rest, 4).map(|_| Wire::Fixed)?,
        _ => return Err(Malformed),
    };
    Ok((number, wire))
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8], Malformed> {
    let (taken, left) = rest.split_at_checked(length).ok_or(Malformed)?;
    *rest = left;
    Ok(taken)
}

/// Seven bits to a byte, the lowest first, at most ten bytes.
fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

//! Reading tables and lists inside of a section, without trusting the lengths they claim.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::format::{Kind, corrupt};

/// Deserialises a sequence of at most `N` items, without trusting the length it claims.
pub(crate) fn at_most<'de, D, T, const N: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Items<T, const N: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            write!(f, "at most {N} items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                if items.len() == N {
                    return Err(serde::de::Error::invalid_length(N + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Items::<T, N>(PhantomData))
}

/// Splits a section into fixed-size items.
pub(crate) fn items<const N: usize>(bytes: &[u8], kind: Kind) -> crate::error::Result<&[[u8; N]]> {
    match bytes.as_chunks::<N>() {
        (items, []) => Ok(items),
        _ => Err(corrupt(kind, "a table has a broken length")),
    }
}

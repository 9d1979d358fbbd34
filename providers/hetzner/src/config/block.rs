//! What declares a block of the file: its keys with meaning, default and example.

use windlass_core::document::Node;
use windlass_core::document::section::Section;

use super::scan::Scan;

/// The keys of one mapping of the file.
#[derive(Debug)]
pub struct Table {
    /// What the mapping is about, one sentence.
    pub about: &'static str,
    /// Its keys, in groups that several mappings may share.
    pub groups: &'static [&'static [Key]],
}

impl Table {
    /// Its keys, in the order of the reference.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.groups.iter().flat_map(|group| group.iter())
    }
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// As the file writes it.
    pub name: &'static str,
    /// What it means, in one or two sentences.
    pub about: &'static str,
    /// Whether it must be there, and what it holds.
    pub presence: Presence,
}

/// Whether a key must be there, and what it holds. Values are written as in the file.
#[derive(Debug, Clone, Copy)]
pub enum Presence {
    /// It must be there.
    Required {
        /// A value that can stand there.
        example: &'static str,
    },
    /// Left out, it means the default.
    Preset {
        /// What it means when it is left out.
        default: &'static str,
        /// Another value that can stand there.
        example: &'static str,
    },
    /// Left out, it means nothing.
    Unset {
        /// A value that can stand there.
        example: &'static str,
    },
    /// It holds a mapping; left out, one with every default.
    Block(&'static Table),
    /// It holds a mapping and must be there.
    RequiredBlock(&'static Table),
    /// It holds a mapping; left out, there is none.
    UnsetBlock(&'static Table),
    /// It holds a list of mappings; left out, an empty one.
    Blocks(&'static Table),
}

pub(super) const fn required(example: &'static str) -> Presence {
    Presence::Required { example }
}

pub(super) const fn preset(default: &'static str, example: &'static str) -> Presence {
    Presence::Preset { default, example }
}

pub(super) const fn unset(example: &'static str) -> Presence {
    Presence::Unset { example }
}

impl Presence {
    /// What stands in for a key that is left out; none where it must be there.
    pub(super) fn default(&self) -> Option<&'static str> {
        match self {
            Self::Required { .. } | Self::RequiredBlock(_) => None,
            Self::Preset { default, .. } => Some(default),
            Self::Unset { .. } | Self::UnsetBlock(_) => Some("~"),
            Self::Block(_) => Some("{}"),
            Self::Blocks(_) => Some("[]"),
        }
    }

    /// The keys of what it holds, if that is a mapping or a list of them.
    pub fn table(&self) -> Option<&'static Table> {
        match self {
            Self::Block(table)
            | Self::RequiredBlock(table)
            | Self::UnsetBlock(table)
            | Self::Blocks(table) => Some(table),
            _ => None,
        }
    }
}

/// A mapping of the file, as [`block!`] declares it.
pub(super) trait Block: Sized {
    /// The keys of its own, and those that it shares.
    const GROUPS: &'static [&'static [Key]];

    /// Its keys.
    const TABLE: &'static Table;

    /// Reads the keys of a mapping, which may have others too.
    fn fields(scan: &mut Scan<'_>, section: &Section<'_>) -> Option<Self>;

    /// Reads a mapping that has no other keys.
    fn read(scan: &mut Scan<'_>, node: &Node, what: &str) -> Option<Self> {
        let section = scan.section(node, what, Self::TABLE)?;
        Self::fields(scan, &section)
    }
}

/// Declares a block: a type with a public field for each key, its table, and what reads it.
///
/// `with` names a field whose keys stand in the same mapping.
macro_rules! block {
    (
        $(#[doc = $about:literal])+
        $(#[expect($($expected:tt)+)])?
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident: $type:ty = $read:expr, $presence:expr; )*
            $( with $shared:ident: $shared_type:ty; )?
        }
    ) => {
        $(#[doc = $about])+
        $(#[expect($($expected)+)])?
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
            $( #[doc = "What pools have in common."] pub $shared: $shared_type, )?
        }

        impl $crate::config::block::Block for $name {
            const GROUPS: &'static [&'static [$crate::config::Key]] = &[
                &[
                    $( $crate::config::Key {
                        name: stringify!($field),
                        about: concat!($($doc),+),
                        presence: $presence,
                    }, )*
                ],
                $( <$shared_type as $crate::config::block::Block>::GROUPS[0], )?
            ];

            const TABLE: &'static $crate::config::Table =
                &$crate::config::Table { about: concat!($($about),+), groups: Self::GROUPS };

            fn fields(
                scan: &mut $crate::config::scan::Scan<'_>,
                section: &windlass_core::document::section::Section<'_>,
            ) -> Option<Self> {
                $( let $field: Option<$type> = scan.field(section, stringify!($field), &$presence, $read); )*
                $( let $shared = <$shared_type as $crate::config::block::Block>::fields(scan, section); )?
                Some(Self { $( $field: $field?, )* $( $shared: $shared?, )? })
            }
        }
    };
}

pub(super) use block;

//! Words that are stored as text and shown to people: declared once, for the enum, the column's CHECK and parsing.

/// States and words that are stored as text: one list serves the column's CHECK, `Display` and parsing.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The word as it is stored and shown.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::words::UnknownWord;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|w| w.word() == text).ok_or_else(|| $crate::words::UnknownWord {
                    said: text.to_owned(),
                    known: &[$($text),*],
                })
            }
        }
    };
}
pub(crate) use words;

/// A word, typed or stored, that this version of the program does not know.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{said}\" is none of {}", known.join(", "))]
pub struct UnknownWord {
    pub said: String,
    pub known: &'static [&'static str],
}

//! Enums whose values have numbers on the wire and on disk.

/// Makes an enum of numbered values, with the way to the number and back.
macro_rules! codes {
    ($(#[$about:meta])* $visibility:vis enum $Name:ident { $($Value:ident = $code:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i8)]
        $visibility enum $Name {
            $(
                #[doc = concat!("Number ", stringify!($code), ".")]
                $Value = $code,
            )+
        }

        impl $Name {
            /// The number on the wire.
            pub(crate) fn code(self) -> i8 {
                self as i8
            }

            /// The value with this number.
            pub(crate) fn from_code(code: i8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$Value),)+
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use codes;

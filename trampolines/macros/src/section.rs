//! The attributes that put a static into a link section.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// Keeps a static, in the section where every record stands.
pub(crate) fn attributes() -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[used]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__midair"))]
        #[cfg_attr(windows, unsafe(link_section = "midair$m"))]
        #[cfg_attr(
            not(any(target_vendor = "apple", windows)),
            unsafe(link_section = "midair")
        )]
    }
}

/// Where the slots stand, close together.
pub(crate) fn slots() -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__midair_slots"))]
        #[cfg_attr(windows, unsafe(link_section = ".data$midair"))]
        #[cfg_attr(
            not(any(target_vendor = "apple", windows)),
            unsafe(link_section = "midair_slots")
        )]
    }
}

//! Gives the parts of a schema their names in Rust.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::parse::cursor::Cursor;
use crate::text::ident::Ident;
use crate::yaml::node::Node;

/// The names of fields, or those of variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `snake_case`.
    Field,
    /// `CamelCase`.
    Variant,
}

/// Something that needs a name in Rust.
pub struct Named<'n> {
    /// Its name in JSON.
    pub text: String,
    /// Its place in the source.
    pub place: Span,
    /// The name that the author gave it with `x-rust-name`.
    pub given: Option<&'n Node>,
}

/// How a text becomes an identifier.
type ToIdent = fn(&str) -> Ident;

/// The names for `all`, no two of them the same; `noun` is what they are. None where a given name is none.
///
/// A name that meets another one gets its signs in words (`+1` and `-1` become `plus_1` and `minus_1`), and else a number
/// behind it, which is noted: the order of the source decides.
pub fn rust_names(
    part: &mut Cursor<'_, '_>,
    all: &[Named<'_>],
    style: Style,
    noun: &str,
) -> Option<Vec<Ident>> {
    let mut names: Vec<Option<Ident>> = Vec::new();
    let mut taken: BTreeSet<Ident> = BTreeSet::new();
    let mut good = true;
    for named in all {
        let name = named
            .given
            .map(|given| given.as_str().and_then(Ident::parse));
        if let (Some(None), Some(given)) = (&name, named.given) {
            let message = format!("{} is no identifier of Rust", given.to_json());
            part.reader
                .report
                .error(Code::BadSchema, given.span, message)
                .advise("write letters, digits and `_`, and no keyword, as in `home_address`");
            good = false;
        }
        if let (Some(Some(ident)), Some(given)) = (&name, named.given)
            && !taken.insert(ident.clone())
        {
            let message = format!("the name `{ident}` is given twice");
            part.reader
                .report
                .error(Code::FieldCollision, given.span, message)
                .advise("give each its own `x-rust-name`");
            good = false;
        }
        names.push(name.flatten());
    }
    if !good {
        return None;
    }
    let (plain, spelled): (ToIdent, ToIdent) = match style {
        Style::Field => (Ident::field, Ident::spelled_field),
        Style::Variant => (Ident::variant, Ident::spelled_variant),
    };
    let wishes: Vec<Ident> = all.iter().map(|named| plain(&named.text)).collect();
    // How many wish for a name; those with a given one wish for none.
    let mut wished: BTreeMap<&Ident, usize> = BTreeMap::new();
    for (wish, _) in wishes
        .iter()
        .zip(all)
        .filter(|(_, named)| named.given.is_none())
    {
        *wished.entry(wish).or_default() += 1;
    }
    // Those that meet no other keep their names.
    for (name, wish) in names.iter_mut().zip(&wishes) {
        if name.is_none() && wished.get(wish) == Some(&1) && taken.insert(wish.clone()) {
            *name = Some(wish.clone());
        }
    }
    let mut numbers: BTreeMap<Ident, usize> = BTreeMap::new();
    for index in 0..all.len() {
        if names[index].is_some() {
            continue;
        }
        let first = spelled(&all[index].text);
        let between = if style == Style::Field { "_" } else { "" };
        let number = numbers.entry(first.clone()).or_insert(1);
        let mut name = first.clone();
        while !taken.insert(name.clone()) {
            *number += 1;
            name = first.numbered(between, *number);
        }
        if name != first {
            let message = format!(
                "the {noun} {:?} meets another one in the name `{first}`; in Rust it is called `{name}`",
                all[index].text
            );
            part.reader
                .report
                .note(Code::FieldCollision, all[index].place, message)
                .advise("choose a name with `x-rust-name`");
        }
        names[index] = Some(name);
    }
    Some(names.into_iter().flatten().collect())
}

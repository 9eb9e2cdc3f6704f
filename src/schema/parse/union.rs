//! Reads schemas that combine others: `oneOf` and `anyOf`.

use crate::diagnostics::code::Code;
use crate::schema::parse::cursor::Cursor;
use crate::schema::parse::enumeration::variant_idents;
use crate::schema::parse::keywords::{Topic, wrong_kind};
use crate::schema::schema_type::{OneOf, Type, Variant, VariantContent};
use crate::yaml::node::Node;

/// The type of a schema with `oneOf` or `anyOf`.
pub fn union(part: &mut Cursor<'_, '_>) -> Option<Type> {
    let mut good = part.check(&[Topic::Union], "a choice of schemas");
    let keyword = if part.node.get("oneOf").is_some() {
        "oneOf"
    } else {
        "anyOf"
    };
    if keyword == "oneOf" && part.node.get("anyOf").is_some() {
        part.error(
            Code::UnsupportedSchema,
            "`oneOf` and `anyOf` are used together",
            "leave one out",
        );
        return None;
    }
    let list = part.node.get(keyword)?;
    let Some(schemas) = list.items().filter(|items| !items.is_empty()) else {
        wrong_kind(keyword, list, "a list of schemas", part.reader.report);
        return None;
    };
    let is_null = |node: &&Node| node.get("type").and_then(Node::as_str) == Some("null");
    let nullable = schemas.iter().any(|node| is_null(&node));
    let schemas: Vec<&Node> = schemas.iter().filter(|node| !is_null(node)).collect();
    let ty = match schemas.as_slice() {
        [] => return good.then_some(Type::Null),
        [single] if part.node.get("discriminator").is_none() => part.reader.read(single)?,
        _ if keyword == "anyOf" => {
            let message = "no type is made of `anyOf`, except for a schema or null";
            let entry = part.node.entry(keyword)?;
            part.reader
                .report
                .error(Code::UnsupportedSchema, entry.key_span, message)
                .advise("use `oneOf` over objects with a property that tells them apart");
            return None;
        }
        several => tagged(part, several, &mut good)?,
    };
    let ty = match ty {
        ty @ (Type::Nullable(_) | Type::Any) => ty,
        ty if nullable => Type::Nullable(Box::new(ty)),
        ty => ty,
    };
    good.then_some(ty)
}

/// The texts that `tag` may be in the object schema `node`, where it is a property with a constant.
fn constant<'n>(node: &'n Node, tag: &str) -> Option<&'n str> {
    let property = node.get("properties")?.get(tag)?;
    match (
        property.get("const"),
        property.get("enum").and_then(Node::items),
    ) {
        (Some(value), None) => value.as_str(),
        (None, Some([value])) => value.as_str(),
        _ => None,
    }
}

fn tagged(part: &mut Cursor<'_, '_>, schemas: &[&Node], good: &mut bool) -> Option<Type> {
    let mut variants = Vec::new();
    // The object each schema describes, in its place or in a definition.
    let mut objects = Vec::new();
    for node in schemas {
        match node.get("$ref") {
            Some(reference) => {
                let name = part.reader.reference(reference);
                let object = name
                    .as_deref()
                    .and_then(|name| part.reader.def(name))
                    .cloned();
                *good &= object.is_some();
                objects.push((*node, name, object));
            }
            None => objects.push((*node, None, Some((*node).clone()))),
        }
    }
    if !*good {
        return None;
    }
    let tag = tag(part, &objects)?;
    for (node, name, object) in &objects {
        let object = object.as_ref()?;
        let Some(value) = constant(object, &tag) else {
            part.reader
                .report
                .error(
                    Code::BadSchema,
                    node.span,
                    format!("the object has no constant {tag:?}"),
                )
                .advise(format!("give it the property `{tag}: {{ const: NAME }}`"));
            *good = false;
            continue;
        };
        let required = object
            .get("required")
            .and_then(Node::items)
            .unwrap_or_default();
        if !required.iter().any(|item| item.as_str() == Some(&tag)) {
            part.reader
                .report
                .error(
                    Code::BadSchema,
                    node.span,
                    format!("the object does not require {tag:?}"),
                )
                .advise(format!("add `{tag}` to its `required`"));
            *good = false;
        }
        let content = match name {
            Some(name) => VariantContent::Ref(name.clone()),
            None => match part.reader.read(node) {
                Some(Type::Object(object)) => VariantContent::Object(object),
                _ => {
                    *good = false;
                    continue;
                }
            },
        };
        variants.push(Variant {
            value: value.to_owned(),
            content,
            span: node.span,
        });
    }
    let values: Vec<&str> = variants
        .iter()
        .map(|variant| variant.value.as_str())
        .collect();
    for (ident, variant) in variant_idents(&values).iter().zip(&variants) {
        if ident.is_none() {
            let message = format!("{:?} names two objects", variant.value);
            part.reader
                .report
                .error(Code::FieldCollision, variant.span, message)
                .advise(format!("give each its own value of `{tag}`"));
            *good = false;
        }
    }
    good.then_some(Type::OneOf(OneOf { tag, variants }))
}

/// The property that tells the objects apart: the one that `discriminator` names, or the first one
/// that is a constant in all of them.
fn tag(
    part: &mut Cursor<'_, '_>,
    objects: &[(&Node, Option<String>, Option<Node>)],
) -> Option<String> {
    if let Some(node) = part.node.get("discriminator") {
        let name = node.get("propertyName").and_then(Node::as_str);
        if name.is_none() {
            wrong_kind(
                "discriminator",
                node,
                "a mapping with `propertyName`",
                part.reader.report,
            );
        }
        let entries = node.entries().unwrap_or_default();
        if let Some(other) = entries.iter().find(|entry| entry.key != "propertyName") {
            let message = format!("`discriminator` has {:?}", other.key);
            part.reader
                .report
                .error(Code::UnsupportedSchema, other.key_span, message)
                .advise("leave it out; the constants of the objects say which is which");
            return None;
        }
        return name.map(str::to_owned);
    }
    let first = objects.first()?.2.as_ref()?;
    let candidates = first
        .get("properties")
        .and_then(Node::entries)
        .unwrap_or_default();
    let shared = candidates.iter().find(|entry| {
        let constant_in = |node: &Option<Node>| {
            node.as_ref()
                .is_some_and(|node| constant(node, &entry.key).is_some())
        };
        objects.iter().all(|(_, _, object)| constant_in(object))
    });
    if shared.is_none() {
        let entry = part.node.entry("oneOf")?;
        part.reader
            .report
            .error(Code::UnsupportedSchema, entry.key_span, "nothing tells the schemas apart")
            .advise("make them objects that require a property with a `const` of its own in each, such as `kind: { const: text }`");
    }
    shared.map(|entry| entry.key.clone())
}

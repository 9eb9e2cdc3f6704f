//! The names that agentgen-runtime makes public, compared with a committed list.
//!
//! A name is public when `lib.rs`, or the file of a `pub mod`, re-exports or declares it.
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test --test it public_api` writes the list anew.

use std::fs;
use std::path::Path;

use syn::{Attribute, Item, UseTree, Visibility};

#[test]
fn the_runtime_exports_the_names_in_the_list() {
    compare("crates/runtime/src", "tests/snapshots/runtime-api.txt");
}

fn compare(sources: &str, snapshot: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    let text = fs::read_to_string(root.join(sources).join("lib.rs")).unwrap();
    let items = syn::parse_file(&text).unwrap().items;
    collect(&root.join(sources), "", &items, &mut names);
    names.sort();
    let found = names.join("\n") + "\n";
    let path = root.join(snapshot);
    if std::env::var_os("AGENTGEN_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(expected, found, "{snapshot} lists the public API");
}

/// The public names among `items`, which are in the module `prefix`; `folder` holds the files of its modules.
fn collect(folder: &Path, prefix: &str, items: &[Item], names: &mut Vec<String>) {
    for item in items {
        match item {
            Item::Use(item) if is_public(&item.vis) => imported(prefix, &item.tree, names),
            Item::Mod(module) if is_public(&module.vis) && !is_hidden(&module.attrs) => {
                let name = module.ident.to_string();
                let below = format!("{prefix}{name}::");
                match &module.content {
                    Some((_, items)) => collect(&folder.join(&name), &below, items, names),
                    None => {
                        let text = fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
                        let items = syn::parse_file(&text).unwrap().items;
                        collect(&folder.join(&name), &below, &items, names);
                    }
                }
            }
            Item::Macro(item) => names.extend(item.ident.as_ref().map(|name| format!("{name}!"))),
            item => names.extend(declared(item).map(|name| format!("{prefix}{name}"))),
        }
    }
}

fn declared(item: &Item) -> Option<String> {
    let (visibility, name) = match item {
        Item::Const(item) => (&item.vis, &item.ident),
        Item::Enum(item) => (&item.vis, &item.ident),
        Item::Fn(item) => (&item.vis, &item.sig.ident),
        Item::Static(item) => (&item.vis, &item.ident),
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Trait(item) => (&item.vis, &item.ident),
        Item::Type(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    is_public(visibility).then(|| name.to_string())
}

fn imported(prefix: &str, tree: &UseTree, names: &mut Vec<String>) {
    match tree {
        UseTree::Path(path) => imported(prefix, &path.tree, names),
        UseTree::Name(name) => names.push(format!("{prefix}{}", name.ident)),
        UseTree::Rename(name) => names.push(format!("{prefix}{}", name.rename)),
        UseTree::Glob(_) => names.push(format!("{prefix}*")),
        UseTree::Group(group) => {
            for tree in &group.items {
                imported(prefix, tree, names);
            }
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Whether an item has `#[doc(hidden)]`.
fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|word| word == "hidden")
    })
}

//! Which fields the patterns ask about: a tree of names.

use hashbrown::HashMap;
use memchr::memmem::Finder;

/// A field that some pattern asks about, by its number.
pub(super) type PathId = u32;

/// A place in the tree.
pub(super) type NodeId = u32;

/// Up to this many names are compared one by one.
const FEW: usize = 8;

/// More names than this are not looked for in the rest of an event.
const MANY: usize = 6;

/// All fields that patterns ask about. A dot in a name separates the names of two objects, one in the other.
#[derive(Debug)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    count: PathId,
    /// Finds each name with the quote before it; empty if there are many, or the tree is not finished.
    names: Vec<Finder<'static>>,
}

#[derive(Debug, Default)]
struct Node {
    /// The field, if a pattern asks about it and not only about what is in it.
    path: Option<PathId>,
    /// Whether some pattern compares its numbers.
    numeric: bool,
    children: Vec<Child>,
    /// The children by name, if they are more than a few.
    by_name: HashMap<Box<[u8]>, NodeId>,
}

#[derive(Debug)]
struct Child {
    /// The first eight bytes of the name, and its length: what tells most names apart.
    head: (u64, usize),
    name: Box<[u8]>,
    node: NodeId,
}

impl Default for Paths {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], count: 0, names: Vec::new() }
    }
}

impl Paths {
    /// The outermost object.
    pub(super) const ROOT: NodeId = 0;

    /// The number of a field, its names separated by dots.
    pub(super) fn add(&mut self, path: &str) -> PathId {
        let mut node = Self::ROOT;
        for name in path.split('.') {
            node = match self.child(node, name.as_bytes()) {
                Some(child) => child,
                None => self.add_child(node, name),
            };
        }
        let count = &mut self.count;
        *self.nodes[node as usize].path.get_or_insert_with(|| {
            *count += 1;
            *count - 1
        })
    }

    /// The number of a field that was added.
    pub(super) fn find(&self, path: &str) -> Option<PathId> {
        self.path(self.node(path)?)
    }

    /// Remembers that the numbers of a field are compared.
    pub(super) fn compare_numbers(&mut self, path: &str) {
        if let Some(node) = self.node(path) {
            self.nodes[node as usize].numeric = true;
        }
    }

    fn node(&self, path: &str) -> Option<NodeId> {
        path.split('.').try_fold(Self::ROOT, |node, name| self.child(node, name.as_bytes()))
    }

    /// Makes searches by name fast, once all fields were added.
    pub(super) fn finish(&mut self) {
        let names = || self.nodes.iter().flat_map(|node| &node.children).map(|child| &child.name);
        if names().count() <= MANY {
            self.names = names().map(|name| Finder::new(&[b"\"", &name[..]].concat()).into_owned()).collect();
        }
    }

    fn add_child(&mut self, parent: NodeId, name: &str) -> NodeId {
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Node::default());
        let Node { children, by_name, .. } = &mut self.nodes[parent as usize];
        children.push(Child { head: head(name.as_bytes()), name: name.as_bytes().into(), node: id });
        if children.len() == FEW + 1 {
            *by_name = children.iter().map(|child| (child.name.clone(), child.node)).collect();
        } else if children.len() > FEW {
            by_name.insert(name.as_bytes().into(), id);
        }
        id
    }

    /// The place of a name within an object.
    #[inline]
    pub(super) fn child(&self, node: NodeId, name: &[u8]) -> Option<NodeId> {
        self.child_of(node, name, head(name))
    }

    /// The place of a name within an object, the name standing in a text.
    #[inline]
    pub(super) fn child_in(&self, node: NodeId, text: &[u8], start: usize, end: usize) -> Option<NodeId> {
        let name = &text[start..end];
        let head = match text[start..].first_chunk::<8>() {
            // Most names are short, and the text goes on behind them.
            Some(first) if name.len() < 8 => (u64::from_le_bytes(*first) & ((1 << (8 * name.len())) - 1), name.len()),
            _ => head(name),
        };
        self.child_of(node, name, head)
    }

    #[inline]
    fn child_of(&self, node: NodeId, name: &[u8], head: (u64, usize)) -> Option<NodeId> {
        let Node { children, by_name, .. } = &self.nodes[node as usize];
        if children.len() > FEW {
            return by_name.get(name).copied();
        }
        let found = children.iter().find(|child| child.head == head && (name.len() <= 8 || *child.name == *name));
        found.map(|child| child.node)
    }

    /// Whether a name of any field may stand in the rest of an event. Answers yes too often, but never wrongly no.
    pub(super) fn may_be_named_in(&self, rest: &[u8]) -> bool {
        // Escapes can spell any name.
        self.names.is_empty()
            || self.names.iter().any(|name| name.find(rest).is_some())
            || memchr::memchr(b'\\', rest).is_some()
    }

    /// The field at this place, if a pattern asks about it.
    #[inline]
    pub(super) fn path(&self, node: NodeId) -> Option<PathId> {
        self.nodes[node as usize].path
    }

    /// Whether the numbers of the field at this place are compared.
    pub(super) fn is_numeric(&self, node: NodeId) -> bool {
        self.nodes[node as usize].numeric
    }

    /// Whether some pattern asks about what is in the object at this place.
    #[inline]
    pub(super) fn has_children(&self, node: NodeId) -> bool {
        !self.nodes[node as usize].children.is_empty()
    }

    /// How many fields there are.
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }
}

#[inline]
fn head(name: &[u8]) -> (u64, usize) {
    let head = match name.first_chunk::<8>() {
        Some(first) => u64::from_le_bytes(*first),
        None => name.iter().rev().fold(0, |head, byte| head << 8 | u64::from(*byte)),
    };
    (head, name.len())
}

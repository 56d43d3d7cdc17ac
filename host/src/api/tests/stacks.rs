//! The files of stacks.

use std::path::Path;

use tempfile::TempDir;

use super::{World, request};

/// A folder of stacks with one of them, and things around it that are nobody's business.
fn stacks() -> (TempDir, World) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, content: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    };
    write("secret.txt", "secret");
    write("stacks/acs-1/index.html", "<p>lead 1</p>");
    write("stacks/acs-1/style.css", "p {}");
    write("stacks/acs-1/data/index.html", "data");
    write("stacks/acs-1/data/a b.JSON", "{}");
    write("stacks/acs-1/.hidden", "secret");
    write("stacks/acs-2/index.html", "other");
    write("stacks/file", "not a stack");
    let link = |to: &Path, at: &str| std::os::unix::fs::symlink(to, folder.path().join(at)).expect("a link");
    link(Path::new("style.css"), "stacks/acs-1/inside.css");
    link(Path::new("../acs-2/index.html"), "stacks/acs-1/neighbour.html");
    link(Path::new("../../secret.txt"), "stacks/acs-1/outside.txt");
    link(&folder.path().join("secret.txt"), "stacks/acs-1/absolute.txt");
    link(Path::new(".."), "stacks/linked");
    let world = World::with(None, Some(&folder.path().join("stacks")));
    (folder, world)
}

#[tokio::test]
async fn files_are_served() {
    let (_folder, world) = stacks();
    for (path, content_type, content) in [
        ("/stacks/acs-1/", "text/html; charset=utf-8", "<p>lead 1</p>"),
        ("/stacks/acs-1/index.html?lead=1", "text/html; charset=utf-8", "<p>lead 1</p>"),
        ("/stacks/acs-1/style.css", "text/css; charset=utf-8", "p {}"),
        ("/stacks/acs-1/inside.css", "text/css; charset=utf-8", "p {}"),
        ("/stacks/acs-1/data/", "text/html; charset=utf-8", "data"),
        ("/stacks/acs-1/data/a%20b.JSON", "application/json", "{}"),
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, content), "{path}");
        assert_eq!(answer.header("content-type"), content_type);
        assert_eq!(answer.header("content-length"), content.len().to_string());
        assert!(answer.header("content-security-policy").starts_with("sandbox "), "it runs apart from the API");
    }
    let head = world.send(request("HEAD", "/stacks/acs-1/style.css", &[], "")).await;
    assert_eq!((head.header("content-length"), head.body.len()), ("4", 0));
    for (path, location) in [
        ("/stacks/acs-1", "/stacks/acs-1/"),
        ("/stacks/acs-1?lead=1", "/stacks/acs-1/?lead=1"),
        ("/stacks/acs-1/data", "/stacks/acs-1/data/"),
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (307, location), "{path}");
    }
}

#[tokio::test]
async fn nothing_else_is() {
    let (_folder, world) = stacks();
    for path in [
        "/stacks/acs-1/none.html",
        "/stacks/acs-1/.hidden",
        "/stacks/acs-1/../acs-2/index.html",
        "/stacks/acs-1/%2e%2e/acs-2/index.html",
        "/stacks/acs-1/..%2facs-2%2findex.html",
        "/stacks/acs-1/..%5cacs-2",
        "/stacks/acs-1/data/../../../secret.txt",
        "/stacks/acs-1//etc/passwd",
        "/stacks/acs-1/%2fetc%2fpasswd",
        "/stacks/acs-1/data//index.html",
        "/stacks/acs-1/style.css/",
        "/stacks/acs-1/style.css%00.html",
        "/stacks/acs-1/%ff",
        "/stacks/acs-1/neighbour.html",
        "/stacks/acs-1/outside.txt",
        "/stacks/acs-1/absolute.txt",
        "/stacks/../secret.txt",
        "/stacks/%2e%2e/secret.txt",
        "/stacks/..%2f/secret.txt",
        "/stacks/ACS-1/",
        "/stacks/-x/",
        "/stacks//",
        "/stacks/",
        "/stacks",
    ] {
        let answer = world.get(path).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{path} answers {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert!(!answer.text().contains("secret\n") && !answer.text().contains("other"), "{path}");
    }
}

#[tokio::test]
async fn a_stack_that_was_is_gone() {
    let (folder, world) = stacks();
    std::fs::remove_dir_all(folder.path().join("stacks/acs-1")).expect("it was there");
    for path in ["/stacks/acs-1/", "/stacks/acs-1", "/stacks/acs-1/style.css", "/stacks/file/", "/stacks/linked/"] {
        let answer = world.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (410, "text/html; charset=utf-8"),
            "{path}"
        );
        assert!(answer.text().contains("This trial has ended"));
        let answer = world.send(request("GET", path, &[("accept", "application/json")], "")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (410, "application/problem+json"),
            "{path}"
        );
    }
    let without_folder = World::new();
    assert_eq!(without_folder.get("/stacks/acs-1/").await.status, 404);
}

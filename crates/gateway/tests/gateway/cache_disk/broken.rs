//! A disk that is full, missing, held by another process or damaged costs hits and nothing else.

use super::*;
use std::fs;

fn service() -> Service {
    let fields = "Cache-Control: max-age=600\r\n";
    Service::new(move |head| message("200 OK", fields, head.split(' ').nth(1).unwrap()))
}

#[test]
fn a_folder_that_cannot_be_made_leaves_memory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let service = service();
    let running = start(service.upstream.address, &file);
    let mut client = running.client();
    client.get("/p");
    assert!(said(&client.get("/p")).contains("hit"));
    let wrong = gauge(&running).wrong;
    assert!(wrong.starts_with("it cannot be opened: "), "{wrong}");
}

#[test]
fn a_full_disk_leaves_memory_and_is_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let service = service();
    start(service.upstream.address, dir.path())
        .gateway
        .shutdown();
    // Every write says that there is no space left.
    let full = dir.path().join("all/00000001.data");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    let running = start(service.upstream.address, dir.path());
    let mut client = running.client();
    client.get("/p");
    client.get("/p");
    push_out(&mut client);
    until("the finding", || !gauge(&running).wrong.is_empty());
    let wrong = gauge(&running).wrong;
    assert!(wrong.contains("No space left"), "{wrong}");
    assert_eq!(client.get("/p").text(), "/p");
    until("the room", || {
        !full.exists() && fs::symlink_metadata(&full).is_err()
    });
}

#[test]
fn a_damaged_record_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let service = service();
    let running = start(service.upstream.address, dir.path());
    on_disk(&running, &mut running.client(), "/p");
    let data = dir.path().join("all/00000001.data");
    let mut bytes = fs::read(&data).unwrap();
    for b in &mut bytes {
        *b = b.wrapping_add(1);
    }
    fs::write(&data, bytes).unwrap();
    let before = service.asked();
    let a = running.client().get("/p");
    assert_eq!((a.text().as_str(), service.asked()), ("/p", before + 1));
    assert_eq!(gauge(&running).damaged, 1);
}

#[test]
fn the_next_process_has_memory_only_until_this_one_gives_the_folder_up() {
    let dir = tempfile::tempdir().unwrap();
    let service = service();
    let first = start(service.upstream.address, dir.path());
    on_disk(&first, &mut first.client(), "/p");
    on_disk(&first, &mut first.client(), "/changed");
    let next = Running::of(
        generation(1, with_disk(service.upstream.address, dir.path())),
        1,
    );
    // As a POST would change it; the disk learns of it when it is there.
    let mut client = next.client();
    assert!(gauge(&next).opening);
    assert_eq!(
        ask(&mut client, "POST", "/changed", "Content-Length: 0\r\n").status,
        200
    );
    first.gateway.shutdown();
    until("the folder", || !gauge(&next).opening);
    assert!(said(&client.get("/p")).contains("detail=disk"));
    assert!(said(&client.get("/changed")).contains("fwd=uri-miss"));
}

#[test]
fn an_index_that_is_too_large_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let service = service();
    let running = start(service.upstream.address, dir.path());
    on_disk(&running, &mut running.client(), "/p");
    running.gateway.shutdown();
    let index = fs::File::options()
        .write(true)
        .open(dir.path().join("all/00000001.index"));
    index.unwrap().set_len((1 << 30) + 1).unwrap();
    let running = start(service.upstream.address, dir.path());
    assert_eq!(gauge(&running).wrong, "");
    assert!(said(&running.client().get("/p")).contains("fwd=uri-miss"));
    assert_eq!(gauge(&running).records, 0);
}

#[test]
fn only_the_owner_may_read_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let service = service();
    let _running = start(service.upstream.address, dir.path());
    let mode = fs::metadata(dir.path().join("all")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
}

//! Async functions.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use midair::hotpatch;

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Is pending once.
async fn pause() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn is_send<T: Send>(value: T) -> T {
    value
}

macro_rules! twice {
    ($call:expr, $expected:expr) => {
        for _ in 0..2 {
            assert_eq!(block_on($call), $expected);
        }
    };
}

#[hotpatch]
async fn plain(mut a: u32, (b, c): (u32, u32)) -> u32 {
    a += 1;
    pause().await;
    a + b + c
}

#[hotpatch]
async fn unit() {
    pause().await;
}

#[hotpatch]
async fn borrowing(text: &str, skip: &mut usize) -> usize {
    pause().await;
    *skip += 1;
    text.len() - *skip
}

#[hotpatch]
async fn returning(text: &str) -> &str {
    pause().await;
    &text[1..]
}

#[hotpatch]
async fn named<'a, 'b>(left: &'a str, _right: &'b str, list: &mut Vec<&'b str>) -> &'a str {
    pause().await;
    list.clear();
    left
}

#[hotpatch]
async unsafe fn unsafely(raw: &u8) -> u8 {
    pause().await;
    *raw
}

#[hotpatch(?Send)]
async fn local(value: Rc<Cell<u8>>) -> u8 {
    pause().await;
    value.get()
}

#[hotpatch]
async fn recursive(n: u64) -> u64 {
    if n < 2 { 1 } else { n * Box::pin(recursive(n - 1)).await }
}

#[test]
fn free_functions() {
    twice!(is_send(plain(1, (2, 3))), 7);
    twice!(is_send(unit()), ());
    let mut skip = 0;
    assert_eq!(block_on(is_send(borrowing("abcd", &mut skip))), 3);
    assert_eq!(block_on(borrowing("abcd", &mut skip)), 2);
    twice!(returning("abc"), "bc");
    let mut list = vec!["x"];
    twice!(named("a", "b", &mut list), "a");
    // SAFETY: the function has no duties.
    twice!(unsafe { unsafely(&3) }, 3);
    twice!(local(Rc::new(Cell::new(5))), 5);
    twice!(recursive(5), 120);
}

struct Connection {
    name: String,
    sent: Vec<String>,
}

trait Transport {
    async fn send(&mut self, text: &str) -> usize;
}

#[hotpatch]
impl Connection {
    async fn name(&self) -> &str {
        pause().await;
        &self.name
    }

    async fn rename(&mut self, name: &str) -> &mut Self {
        pause().await;
        self.name = name.to_owned();
        self
    }

    async fn consume(self) -> String {
        self.name
    }

    async fn boxed(self: Box<Self>, _: u8) -> usize {
        self.sent.len()
    }

    async fn open(name: &str) -> Self {
        Self { name: name.to_owned(), sent: Vec::new() }
    }
}

#[hotpatch]
impl Transport for Connection {
    async fn send(&mut self, text: &str) -> usize {
        self.sent.push(text.to_owned());
        pause().await;
        self.sent.len()
    }
}

struct View<'a>(&'a str);

#[hotpatch(?Send)]
impl<'a> View<'a> {
    async fn text(&self, _local: Rc<u8>) -> &'a str {
        pause().await;
        self.0
    }
}

#[test]
fn methods() {
    let mut connection = block_on(Connection::open("one"));
    twice!(is_send(connection.name()), "one");
    assert_eq!(block_on(is_send(connection.rename("two"))).name, "two");
    assert_eq!(block_on(connection.rename("three")).name, "three");
    assert_eq!(block_on(connection.send("a")), 1);
    assert_eq!(block_on(connection.send("b")), 2);
    assert_eq!(block_on(Box::new(connection).boxed(0)), 2);
    twice!(block_on(Connection::open("x")).consume(), "x");
    twice!(View("text").text(Rc::new(0)), "text");
}

struct Drops(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

#[hotpatch(?Send)]
async fn hot_order(_a: Drops, _: Drops, c: Drops) {
    let _inner = Drops("inner", Rc::clone(&c.1));
    pause().await;
}

async fn plain_order(_a: Drops, _: Drops, c: Drops) {
    let _inner = Drops("inner", Rc::clone(&c.1));
    pause().await;
}

#[test]
fn arguments_live_as_long_as_without_the_attribute() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let drops = |name| Drops(name, Rc::clone(&log));
    block_on(plain_order(drops("a"), drops("b"), drops("c")));
    let expected = log.take();
    block_on(hot_order(drops("a"), drops("b"), drops("c")));
    assert_eq!(log.take(), expected);
    drop(plain_order(drops("a"), drops("b"), drops("c")));
    let expected = log.take();
    drop(hot_order(drops("a"), drops("b"), drops("c")));
    assert_eq!(log.take(), expected);
}

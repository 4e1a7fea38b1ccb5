// Keeps the page as the service is. It replaces what has changed and nothing else,
// so that the focus, what is open and where the reader is stay as they are.
"use strict";

const pulse = document.getElementById("pulse");
const pulseText = document.getElementById("pulse-text");

function link(state, text) {
  if (pulse.dataset.link !== state) pulse.dataset.link = state;
  if (pulseText.textContent !== text) pulseText.textContent = text;
}

// sync makes one element like another. An element is the same if its id is, or, if
// it has none, its place and name. Whether a <details> is open is the reader's.
function sync(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || (from.id || "") !== (to.id || "")) {
    from.replaceWith(to.cloneNode(true));
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  const kept = (name) => name === "open" && from.nodeName === "DETAILS";
  for (const { name, value } of [...to.attributes]) {
    if (!kept(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!kept(name) && !to.hasAttribute(name)) from.removeAttribute(name);
  }
  syncChildren(from, to);
}

// syncChildren walks both lists. A child with an id is looked for further down,
// since a new generation or reload comes before the others; what lies before it
// goes, and it stays: an element that is moved loses the focus.
function syncChildren(from, to) {
  const wanted = new Set([...to.children].map((c) => c.id));
  for (const c of [...from.children]) {
    if (c.id && !wanted.has(c.id)) c.remove();
  }
  let here = from.firstChild;
  for (const want of to.childNodes) {
    if (want.id && !(here && here.id === want.id)) {
      const found = [...from.children].find((c) => c.id === want.id);
      if (!found) {
        from.insertBefore(want.cloneNode(true), here);
        continue;
      }
      while (here && here !== found && !here.id) {
        const next = here.nextSibling;
        here.remove();
        here = next;
      }
      if (here !== found) here = from.insertBefore(found, here);
    }
    if (!here) {
      from.append(want.cloneNode(true));
      continue;
    }
    const next = here.nextSibling;
    if (here.id && !want.id) {
      from.insertBefore(want.cloneNode(true), here);
      continue;
    }
    sync(here, want);
    here = next;
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}

function apply(html) {
  const news = new DOMParser().parseFromString(html, "text/html");
  for (const part of news.querySelectorAll("section[id]")) {
    const old = document.getElementById(part.id);
    if (old) sync(old, part);
  }
  document.title = document.getElementById("now").dataset.title;
}

let source = null;
let lost = 0; // when the stream broke off
let heard = 0; // when it said something last; it does so every few seconds
let timer = 0;

// poll is for those who may not follow: too many do.
async function poll() {
  try {
    const answer = await fetch("./", { cache: "no-store" });
    if (!answer.ok) throw new Error("status " + answer.status); // of a proxy, or a master that hangs
    apply(await answer.text());
    link("polled", "every 5 s");
  } catch {
    link("lost", "no answer: as it was before");
  }
  timer = setTimeout(follow, 5000);
}

function follow() {
  stop();
  if (document.hidden) return; // a tab in the background takes no stream from others
  heard = Date.now();
  source = new EventSource("events");
  source.onmessage = (event) => {
    lost = 0;
    heard = Date.now();
    link("live", "live");
    apply(event.data);
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) {
      stop();
      poll();
      return;
    }
    // A handover ends the stream and is followed by the next one at once.
    lost = lost || Date.now();
    if (Date.now() - lost > 2000) {
      link("lost", "no answer: as it was before");
      stop();
      timer = setTimeout(follow, 2000);
    }
  };
}

function stop() {
  clearTimeout(timer);
  if (source) source.close();
  source = null;
}

setInterval(() => {
  if (source && Date.now() - heard > 8000) link("lost", "no answer: as it was before");
}, 1000);
document.addEventListener("visibilitychange", follow);
follow();

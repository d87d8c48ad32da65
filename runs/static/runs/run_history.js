// The history: a window on the log that grows as one scrolls, in both directions, follows the end
// while the run is live, and never holds more than MOST rows.

import { fetchText, goTo, pageUrl, parsed, Unanswered } from "./run_fragment.js";
import { toast } from "./toast.js";

const MOST = 2000;
const PAGE = 200;
const LIVE_PAGE = 500;
// Milliseconds from one request to the next while events come in.
const PACE = 250;
// Events behind at which one who follows is taken to the end instead of through them all.
const FAR_BEHIND = 600;
// Pixels below the window within which new events are put on the page as they come; to who reads
// further up they are offered.
const NEAR = 800;
const TYPING = 300;
const AGAIN_AFTER_FAILURE = 3000;

export class History {
  constructor(knownLast) {
    // The newest event of the run that is known of.
    this.knownLast = knownLast;
    this.following = false;
    this.loading = null;
    this.lastAsked = 0;
    this.finding = null;
    this.watcher = new IntersectionObserver((seen) => this.reached(seen), { rootMargin: "600px" });
    document.addEventListener("click", (event) => this.click(event));
    document.addEventListener("input", (event) => {
      if (event.target.id !== "log-find") return;
      clearTimeout(this.findTimer);
      this.findTimer = setTimeout(() => this.find(), TYPING);
    });
    document.addEventListener("submit", (event) => {
      if (event.target.id !== "log-find-form") return;
      event.preventDefault();
      this.find();
    });
    // Whoever scrolls up wants to read.
    window.addEventListener("wheel", (event) => event.deltaY < 0 && this.follow(false), { passive: true });
    window.addEventListener("keydown", (event) => {
      if (["ArrowUp", "PageUp", "Home"].includes(event.key)) this.follow(false);
    });
    let lastY = scrollY;
    window.addEventListener("touchmove", () => {
      if (scrollY < lastY - 4) this.follow(false);
      lastY = scrollY;
    }, { passive: true });
    this.shown();
  }

  get box() { return document.getElementById("log"); }
  get rows() { return document.getElementById("log-lines"); }
  get first() { return Number(this.rows?.firstElementChild?.dataset.seq || 0); }
  get last() { return Number(this.rows?.lastElementChild?.dataset.seq || 0); }
  // Whether the window reaches to the end of what was there when it was loaded.
  get atEnd() { return this.box && !this.box.dataset.moreAfter; }

  // A tab or another filter was put on the page.
  shown() {
    this.finding?.abort();
    this.finding = null;
    this.upTo = this.atEnd ? Math.max(this.last, this.knownLast) : this.last;
    this.watcher.disconnect();
    for (const id of ["log-before", "log-after", "log-end"]) {
      const more = document.getElementById(id);
      if (more) this.watcher.observe(more);
    }
    this.showFollowing();
    this.offerNew();
    if (this.box) this.count();
  }

  // -- What comes in ---------------------------------------------------------

  // The run's log has grown to this number.
  heard(seq) {
    if (seq <= this.knownLast) return;
    this.knownLast = seq;
    if (!this.box) return;
    if (this.following && this.knownLast - this.upTo > FAR_BEHIND) this.toEnd();
    else this.catchUp();
    this.offerNew();
  }

  catchUp() {
    if (!this.atEnd || this.knownLast <= this.upTo) return;
    if (this.following || this.nearEnd()) this.later();
  }

  // "12 new events — show", to who reads further up.
  offerNew() {
    const button = document.getElementById("log-new");
    if (!button) return;
    const count = this.atEnd ? this.knownLast - this.upTo : 0;
    const offered = count > 0 && !this.following && !this.loading && !this.nearEnd();
    if (button.hidden === offered) button.hidden = !offered;
    if (!offered) return;
    const isFiltered = ["kind", "of", "find"].some((name) => new URL(location.href).searchParams.has(name));
    const number = isFiltered ? "" : `${count.toLocaleString("en")} `;
    const words = `${number}new event${count === 1 && !isFiltered ? "" : "s"} — show`;
    if (button.lastElementChild.textContent !== words) button.lastElementChild.textContent = words;
  }

  nearEnd() {
    return document.getElementById("log-end").getBoundingClientRect().top < innerHeight + NEAR;
  }

  later() {
    if (this.timer) return;
    const wait = Math.max(0, this.lastAsked + PACE - performance.now());
    this.timer = setTimeout(() => {
      this.timer = null;
      this.append(LIVE_PAGE);
    }, wait);
  }

  async append(limit) {
    if (this.loading || !this.box) return this.loading;
    if (!this.following && this.rows?.childElementCount >= MOST && this.farFromEnd()) {
      // Nobody looks at the end: leave the rest for whoever comes there.
      this.box.dataset.moreAfter = "1";
      this.offerMore();
      return undefined;
    }
    return this.load({ after: Math.max(this.last, this.upTo), limit }, (found) => {
      this.upTo = Math.max(this.upTo, found.last);
      this.box.dataset.moreAfter = found.moreAfter;
      if (!found.lines.length) return;
      this.ensureRows(found);
      this.keepingPlace(() => {
        this.rows.append(...found.lines);
        this.trim("first");
      });
      this.offerMore();
      if (this.following) this.scrollToEnd();
      if (this.knownLast > this.upTo && this.atEnd) this.later();
    });
  }

  async prepend() {
    return this.load({ before: this.first, limit: PAGE }, (found) => {
      this.box.dataset.moreBefore = found.moreBefore;
      if (found.lines.length) {
        this.keepingPlace(() => {
          this.rows.prepend(...found.lines);
          this.trim("last");
        });
      }
      this.offerMore();
    });
  }

  async toEnd() {
    const asked = this.knownLast;
    return this.load({ before: "", limit: PAGE }, (found) => {
      this.box.dataset.moreBefore = found.moreBefore;
      this.box.dataset.moreAfter = "";
      this.upTo = Math.max(found.last, asked);
      if (!found.lines.length) return;
      this.ensureRows(found);
      this.rows.replaceChildren(...found.lines);
      this.offerMore();
      this.scrollToEnd();
      if (this.knownLast > this.upTo) this.later();
    });
  }

  load(wanted, use) {
    if (this.loading) return this.loading;
    const box = this.box;
    this.lastAsked = performance.now();
    const url = pageUrl({ fragment: "events", after: null, before: null, ...wanted });
    this.loading = fetchText(url)
      .then((html) => {
        if (box !== this.box) return; // another tab or filter came meanwhile
        const found = parsed(html).querySelector("#log");
        const lines = [...found.querySelectorAll("#log-lines > li")];
        use({
          list: found.querySelector("#log-lines"),
          lines,
          last: Number(lines.at(-1)?.dataset.seq || 0),
          moreBefore: found.dataset.moreBefore,
          moreAfter: found.dataset.moreAfter,
        });
        this.count();
      })
      .catch((error) => {
        if (!(error instanceof Unanswered)) throw error;
        if (!this.complained) toast(`${error.message} The history on the page stays.`);
        this.complained = true;
        // What came in may have been the last: nothing else would ask again.
        if (error.passes) setTimeout(() => this.catchUp(), AGAIN_AFTER_FAILURE);
        setTimeout(() => { this.complained = false; }, 30_000);
      })
      .finally(() => {
        this.loading = null;
        this.offerNew();
      });
    return this.loading;
  }

  // An empty history has no list yet.
  ensureRows(found) {
    if (this.rows) return;
    const list = found.list.cloneNode(false);
    document.getElementById("log-lines-none")?.replaceWith(list);
  }

  // -- The window ------------------------------------------------------------

  trim(side) {
    const extra = this.rows.childElementCount - MOST;
    if (extra <= 0) return;
    const rows = [...this.rows.children];
    for (const row of side === "first" ? rows.slice(0, extra) : rows.slice(-extra)) row.remove();
    if (side === "first") this.box.dataset.moreBefore = "1";
    else {
      this.box.dataset.moreAfter = "1";
      this.upTo = this.last;
    }
  }

  // Rows come and go above: what is being read stays where it is.
  keepingPlace(change) {
    const anchor = this.following ? null : this.firstInSight();
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (!anchor?.isConnected) return;
    const moved = anchor.getBoundingClientRect().top - before;
    if (Math.abs(moved) > 0.5) window.scrollBy({ top: moved, behavior: "instant" });
  }

  firstInSight() {
    const rows = this.rows.children;
    let [low, high] = [0, rows.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom > 0) high = middle;
      else low = middle + 1;
    }
    return rows[low];
  }

  offerMore() {
    for (const [id, wanted, text, icon] of [
      ["log-before", this.box.dataset.moreBefore, "Earlier events", "expand_less"],
      ["log-after", this.box.dataset.moreAfter, "Later events", "expand_more"],
    ]) {
      let more = document.getElementById(id);
      if (more && !wanted) more.remove();
      if (!wanted) continue;
      if (!more) {
        more = document.createElement("a");
        more.id = id;
        more.className = "op-more";
        const sign = document.createElement("span");
        sign.className = "material-symbols-outlined";
        sign.setAttribute("aria-hidden", "true");
        sign.textContent = icon;
        more.append(sign, text);
        if (id === "log-before") this.rows.before(more);
        else this.rows.after(more);
      }
      const at = id === "log-before" ? { before: this.first } : { after: this.last };
      more.href = pageUrl({ after: null, before: null, ...at }).href;
      this.watcher.unobserve(more);
      this.watcher.observe(more);
    }
    this.showFollowing();
  }

  reached(seen) {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      if (target.id === "log-before") this.prepend();
      else if (target.id === "log-after") this.append(PAGE);
      else if (this.atEnd && this.knownLast > this.upTo) this.later();
    }
  }

  farFromEnd() {
    return document.getElementById("log-end").getBoundingClientRect().top > innerHeight + 2000;
  }

  scrollToEnd() {
    window.scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
  }

  // -- The person ------------------------------------------------------------

  click(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const more = event.target.closest?.("#log-before, #log-after, #log-jump, #log-new");
    if (!more) return;
    event.preventDefault();
    if (more.id === "log-before") this.prepend();
    else if (more.id === "log-after") this.append(PAGE);
    else this.jump();
  }

  async jump() {
    if (this.following) {
      this.follow(false);
      return;
    }
    await this.loading;
    // Nothing more comes of a run that is over.
    this.follow(document.getElementById("run-head").dataset.open === "1");
    if (this.atEnd && this.upTo >= this.knownLast) this.scrollToEnd();
    else await this.toEnd();
  }

  follow(wanted) {
    if (this.following === wanted) return;
    this.following = wanted;
    this.showFollowing();
  }

  showFollowing() {
    const button = document.getElementById("log-jump");
    if (!button) return;
    button.classList.toggle("is-following", this.following);
    const [icon, words] = button.childNodes;
    words.data = this.following ? "Following" : "Jump to last";
    icon.textContent = this.following ? "keyboard_double_arrow_down" : "vertical_align_bottom";
  }

  // The server looks through the whole history; what it finds takes the place of what is shown.
  async find() {
    clearTimeout(this.findTimer);
    const input = document.getElementById("log-find");
    if (!input) return;
    const text = input.value.trim();
    const url = pageUrl({ tab: "history", find: text || null, after: null, before: null });
    if (url.href === pageUrl().href) return;
    this.follow(false);
    goTo(url);
    url.searchParams.set("fragment", "events");
    // One that is overtaken is not worth the server's work.
    this.finding?.abort();
    const finding = new AbortController();
    this.finding = finding;
    const tab = document.getElementById("run-tab");
    tab.setAttribute("aria-busy", "true");
    try {
      const html = await fetchText(url, { signal: finding.signal });
      if (finding.signal.aborted || !this.box) return;
      const found = parsed(html).querySelector("#log");
      this.finding = null;
      this.box.replaceWith(found);
      this.shown();
    } catch (error) {
      if (finding.signal.aborted) return;
      if (!(error instanceof Unanswered)) throw error;
      toast(`${error.message} The history on the page stays.`);
    } finally {
      if (!this.finding || this.finding === finding) tab.removeAttribute("aria-busy");
    }
  }

  // How many were found, as far as they are loaded.
  count() {
    const words = document.getElementById("log-found");
    const text = document.getElementById("log-find")?.value.trim();
    if (!words) return;
    const more = this.box.dataset.moreAfter || this.box.dataset.moreBefore ? "+" : "";
    const said = text ? `${(this.rows?.childElementCount || 0).toLocaleString("en")}${more} found` : "";
    if (words.textContent !== said) words.textContent = said;
  }
}

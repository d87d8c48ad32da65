// The session has ended. The page is asked for again, which leads to the sign-in page and from
// there back; but not while somebody is at a dialog, where what they wrote would be lost: that
// says by itself what became of it.

export function signInAgain() {
  if (!document.querySelector("dialog[open]")) location.reload();
}

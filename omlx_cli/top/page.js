// Keys go to the dashboard from the start, and again when the page is come back to.
function focus() {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys) keys.focus();
  else requestAnimationFrame(focus);
}
window.addEventListener("load", focus);
window.addEventListener("focus", focus);

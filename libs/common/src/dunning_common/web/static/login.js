// A link such as /login#token=… signs in: the fragment never leaves the browser except in this form.
const form = document.getElementById("login");
const prefix = "#token=";
if (form && location.hash.startsWith(prefix)) {
  const token = decodeURIComponent(location.hash.slice(prefix.length));
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.token.value = token;
  form.requestSubmit();
}

// The operations to be tried are a program of 1.6 MB: it is fetched by who asks for it,
// and dark where the guide above it is.
"use strict";
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();

  const fetched = (element) =>
    new Promise((done, failed) => {
      element.addEventListener("load", done);
      element.addEventListener("error", failed);
      document.head.append(element);
    });

  const button = document.getElementById("show-operations");
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const style = Object.assign(document.createElement("link"), { rel: "stylesheet" });
      style.href = button.dataset.style;
      await fetched(style);
      for (const source of button.dataset.scripts.split(" ")) {
        const script = document.createElement("script");
        script.src = source;
        await fetched(script);
      }
      button.hidden = true;
      document.getElementById("swagger-ui").scrollIntoView();
    } catch {
      button.disabled = false;
      button.textContent = "It did not arrive: try again";
    }
  });
}

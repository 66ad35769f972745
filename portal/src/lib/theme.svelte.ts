// The colours of charts, from the same variables as everything else; charts are drawn anew when light turns to dark.

export interface Palette {
  text: string;
  quiet: string;
  line: string;
  surface: string;
  accent: string;
  accentSoft: string;
  good: string;
  bad: string;
  warn: string;
}

const dark = matchMedia("(prefers-color-scheme: dark)");

class Theme {
  dark = $state(dark.matches);
  reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;

  constructor() {
    dark.addEventListener("change", () => (this.dark = dark.matches));
  }

  /** Read it in an effect or a derived value: it follows the theme. */
  get palette(): Palette {
    return PALETTES[this.dark ? "dark" : "light"];
  }
}

// As in app.css, of which scripts can't read what `light-dark()` comes to.
const PALETTES: Record<"light" | "dark", Palette> = {
  light: { text: "#171b24", quiet: "#535c6e", line: "#d9dde5", surface: "#ffffff", accent: "#3547c9", accentSoft: "#a9b4f4", good: "#0b6b43", bad: "#a8232f", warn: "#7a4d00" },
  dark: { text: "#e9ecf3", quiet: "#a5aec0", line: "#313847", surface: "#1f2430", accent: "#9aa9ff", accentSoft: "#4a568f", good: "#5fd3a0", bad: "#ff9a9a", warn: "#f2c063" },
};

export const theme = new Theme();

/** Mantine's theme over our own CSS variables (`theme.css`): one accent, the rest neutral, system fonts, small sizes. */

import { Button, type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core';

/** From lightest to darkest; 7 carries white text, 3 carries dark text, each above 4.5 : 1. */
const accent: MantineColorsTuple = [
  '#e9f4fb',
  '#d0e6f4',
  '#a6cfe8',
  '#7cbce2',
  '#4ea3d3',
  '#2d8cc2',
  '#1976ab',
  '#0b5a86',
  '#094c72',
  '#063a58',
];

/** Mantine's dark scale, from text to ground, in our blue-greys: dark is not black. */
const dark: MantineColorsTuple = [
  '#e4e9f0',
  '#c9d1dc',
  '#a9b4c3',
  '#76849a',
  '#4b5768',
  '#343e4b',
  '#272f3a',
  '#1d232c',
  '#171c23',
  '#0f1318',
];

export const theme = createTheme({
  primaryColor: 'accent',
  primaryShade: { light: 7, dark: 3 },
  colors: { accent, dark },
  fontFamily: 'var(--font-text)',
  fontFamilyMonospace: 'var(--font-mono)',
  fontSizes: { xs: '13px', sm: '13px', md: '14px', lg: '16px', xl: '18px' },
  headings: { fontFamily: 'var(--font-text)' },
  defaultRadius: 4,
  cursorType: 'pointer',
  respectReducedMotion: true,
  focusRing: 'auto',
  components: {
    Button: Button.extend({
      defaultProps: { size: 'xs', variant: 'default' },
      vars: (_theme, props) => ({ root: props.variant === 'filled' ? { '--button-color': 'var(--on-accent)' } : {} }),
    }),
    TextInput: { defaultProps: { size: 'xs' } },
    PasswordInput: { defaultProps: { size: 'sm' } },
    Textarea: { defaultProps: { size: 'xs' } },
    NativeSelect: { defaultProps: { size: 'xs' } },
    Checkbox: { defaultProps: { size: 'xs', iconColor: 'var(--on-accent)' } },
    SegmentedControl: { defaultProps: { size: 'xs' } },
  },
});

/** Lets Mantine's parts take our colours in both schemes. */
export const resolver: CSSVariablesResolver = () => {
  const shared = {
    '--mantine-color-body': 'var(--bg)',
    '--mantine-color-text': 'var(--text)',
    '--mantine-color-dimmed': 'var(--text-2)',
    '--mantine-color-placeholder': 'var(--text-2)',
    '--mantine-color-anchor': 'var(--accent)',
    '--mantine-color-default': 'var(--surface)',
    '--mantine-color-default-hover': 'var(--surface-2)',
    '--mantine-color-default-color': 'var(--text)',
    '--mantine-color-default-border': 'var(--line-strong)',
    '--mantine-color-error': 'var(--critical)',
  };
  return { variables: {}, light: shared, dark: shared };
};

session-sign-in-title = Sign in
session-login = Login
session-login-hint = For example t.lefictif or t.lefictif1.
session-password = Password
session-sign-in = Sign in
session-forgotten = Forgotten login or password
session-first-use = First visit: activate my account
session-sign-in-wrong = The login or the password is wrong. Check both and try again.
session-provisional-expired = This provisional password is no longer valid. Ask the school or support for a new one.
session-not-in-use = This account is no longer in use. Please contact the school.
session-too-many = { $minutes ->
    [one] Too many attempts. Try again in a minute, or choose “Forgotten login or password”.
   *[other] Too many attempts. Try again in { $minutes } minutes, or choose “Forgotten login or password”.
}
session-account-title = My account
session-account-login = Your login:
session-account-children = { $count ->
    [one] My child
   *[other] My children
}
session-account-waiting = { $count ->
    [one] A school says that you are the guardian of a child, who waits for you to confirm.
   *[other] Schools say that you are the guardian of { $count } children, who wait for you to confirm.
}
session-account-confirm = { $count ->
    [one] Confirm this child
   *[other] Confirm these children
}
session-account-reported = { $count ->
    [one] You reported that a child is not yours.
   *[other] You reported that { $count } children are not yours.
}
session-account-reconsider = { $count ->
    [one] Change this report
   *[other] Change these reports
}

session-own-password-title = Change my password
session-own-password-lead = The new password works from now on. Other devices where you are signed in will be signed out.
session-own-password-current = Current password
session-own-password-wrong = This is not your current password. Check it and try again.
session-own-password-submit = Save

error-form-expired-title = This form has expired
error-form-expired-text = The page was left open too long, or your browser refuses cookies. Allow them for this site, reload the previous page and try again.

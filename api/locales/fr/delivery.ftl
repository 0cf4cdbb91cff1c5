# SMS : 160 caractères de l’alphabet GSM au plus (apostrophes droites, ni ê ni ç ni œ), sans lien, le code en premier.
delivery-sms-code = { $code } est votre code Matricule, valable { $minutes } minutes. Ne le donnez à personne, quelle que soit la raison.
delivery-sms-account-activated = Matricule : votre compte pour l'école est activé. Si ce n'est pas vous, prévenez l'établissement de votre enfant.
delivery-sms-password-changed = Matricule : votre mot de passe vient de changer. Si ce n'est pas vous, prévenez l'établissement de votre enfant.
delivery-sms-password-reset = Matricule : votre mot de passe a été réinitialisé. Si vous ne l'avez pas demandé, prévenez l'établissement de votre enfant.
delivery-sms-way-in-added = Matricule : un moyen de connexion a été ajouté à votre compte. Si ce n'est pas vous, prévenez l'établissement.
delivery-sms-way-in-removed = Matricule : un moyen de connexion a été retiré de votre compte. Si ce n'est pas vous, prévenez l'établissement.
delivery-sms-ways-in-changed = Matricule : la deuxième étape de votre connexion vient de changer. Si ce n'est pas vous, prévenez l'établissement de votre enfant.

delivery-mail-signature =
    Matricule, votre compte pour l’école
    { $origin }
    Ce message est envoyé automatiquement : inutile d’y répondre.

delivery-mail-code-subject = Votre code Matricule
delivery-mail-code-body =
    Bonjour,

    { $code } est votre code. Il est valable { $minutes } minutes, sur la page qui vous le demande.

    Ne le donnez à personne, même si on vous le demande : ni l’établissement ni le service n’en ont besoin.
    Si vous n’avez rien demandé, ne faites rien : sans ce code, personne n’ira plus loin.

delivery-mail-account-activated-subject = Votre compte est activé
delivery-mail-account-activated-body =
    Bonjour,

    Votre compte pour l’école est activé : un mot de passe vient d’y être choisi.

    Si ce n’est pas vous, prévenez sans attendre l’établissement de votre enfant.

delivery-mail-ways-in-changed-subject = La deuxième étape de votre connexion a changé
delivery-mail-ways-in-changed-body =
    Bonjour,

    La deuxième étape de connexion de votre compte pour l’école vient de changer : une application a été ajoutée ou retirée.

    Si ce n’est pas vous, changez votre mot de passe et prévenez l’établissement de votre enfant.

delivery-mail-password-changed-subject = Votre mot de passe a changé
delivery-mail-password-changed-body =
    Bonjour,

    Le mot de passe de votre compte pour l’école vient de changer.

    Si c’est vous, vous n’avez rien à faire.
    Si ce n’est pas vous, choisissez-en aussitôt un autre, par « Identifiant ou mot de passe oublié » sur la page d’accueil, et prévenez l’établissement de votre enfant.

delivery-mail-password-reset-subject = Votre mot de passe a été réinitialisé
delivery-mail-password-reset-body =
    Bonjour,

    Le mot de passe de votre compte pour l’école a été réinitialisé : l’ancien ne fonctionne plus. Un mot de passe provisoire vous est remis par ailleurs ; il sera à remplacer à la prochaine connexion.

    Si vous ne l’avez pas demandé, prévenez l’établissement de votre enfant.

delivery-mail-way-in-added-subject = Un moyen de connexion est ajouté à votre compte
delivery-mail-way-in-added-body =
    Bonjour,

    Votre compte pour l’école s’ouvre désormais aussi par un autre service d’identité, comme FranceConnect.

    Si c’est vous, vous n’avez rien à faire. « Mes moyens de connexion », dans votre compte, montre lesquels existent.
    Si ce n’est pas vous, prévenez sans attendre l’établissement de votre enfant.

delivery-mail-way-in-removed-subject = Un moyen de connexion est retiré de votre compte
delivery-mail-way-in-removed-body =
    Bonjour,

    Un service d’identité, comme FranceConnect, n’ouvre plus votre compte pour l’école. Les autres moyens de connexion restent.

    Si ce n’est pas vous, prévenez sans attendre l’établissement de votre enfant.

delivery-page-title = Messages de la démonstration
delivery-page-lead = Les SMS et les courriels que le service aurait envoyés, le plus récent d’abord. Dans un service réel, cette page n’existe pas.
delivery-page-refresh = Actualiser
delivery-page-empty = Aucun message pour le moment. Activez un compte ou demandez un nouveau mot de passe, puis actualisez cette page.
delivery-page-sms = SMS au { $to }
delivery-page-mail = Courriel à { $to }
delivery-page-now = À l’instant
delivery-page-minutes = Il y a { $count } min
delivery-page-hours = Il y a { $count } h
delivery-page-days = { $count ->
    [one] Il y a { $count } jour
   *[other] Il y a { $count } jours
}
